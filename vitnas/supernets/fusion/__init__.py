"""Fusion: two networks of one space become one, after the channels of one are taken to their places in the other."""
