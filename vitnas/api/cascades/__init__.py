"""Cascades: choosing them, giving a run exits, exporting them."""
