"""Measuring elsewhere: bundles of networks that any machine can time, and the results that come back."""

from vitnas.latency_lut.remote.bundle import Bundle, write_bundle
from vitnas.latency_lut.remote.results import import_results, read_results

__all__ = ["Bundle", "import_results", "read_results", "write_bundle"]
