"""Spaces of what a given network becomes when channels, heads and layers of it are removed."""
