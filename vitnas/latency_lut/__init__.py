"""Latency tables: devices, how layers are measured there, and what whole networks then cost."""
