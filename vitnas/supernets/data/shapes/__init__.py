"""Drawn images: what is where in a scene (`scenes`), the picture of it (`rendering`), what is known of it besides its class (`truths`), and the data set (`drawings`)."""
