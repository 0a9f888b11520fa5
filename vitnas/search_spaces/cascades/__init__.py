"""Cascades: archs that answer one after the other until one is sure, and spaces whose archs have exits."""
