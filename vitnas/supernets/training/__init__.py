"""Training a supernet."""
