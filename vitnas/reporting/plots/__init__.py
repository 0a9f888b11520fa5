"""Plots for matplotlib."""
