"""Reporting: what a run found, as pictures."""
