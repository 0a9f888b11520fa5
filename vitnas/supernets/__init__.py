"""Supernets: layers, shared weights, training, data and checkpoints."""
