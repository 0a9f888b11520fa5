"""Latency tables: devices, how layers are measured there, and what whole networks then cost."""

from vitnas.latency_lut.devices import DEVICES, Device, load_device
from vitnas.latency_lut.protocol import Timing, TimingSettings
from vitnas.latency_lut.table import LatencyTable

__all__ = ["DEVICES", "Device", "LatencyTable", "Timing", "TimingSettings", "load_device"]
