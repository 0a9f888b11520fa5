"""Drawn images: what is where in a scene (`scenes`), the picture of it (`rendering`), and the data set (`drawings`)."""
