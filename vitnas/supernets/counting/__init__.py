"""Exact counts of layers, networks and populations."""
