"""Spaces in files: TOML and Python."""
