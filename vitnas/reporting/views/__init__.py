"""How results look in a notebook, as pandas frames and as pictures: the other side of `vitnas.display`."""
