"""Cascades that are chosen: from answers of archs and a latency table to archs, rule and thresholds."""
