"""Devices of a search: their tables, and measuring on them."""
