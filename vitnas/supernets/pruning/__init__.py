"""Pruning a given network: its channels in order of importance, and what those that stay can make up for."""
