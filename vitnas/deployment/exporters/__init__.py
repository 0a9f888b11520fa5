"""Formats that a network can leave in, one file each."""

from __future__ import annotations

from vitnas.deployment.exporters.exporter import Exporter, Facts, Limits
from vitnas.registry import Registry

EXPORTERS: Registry[type[Exporter]] = Registry(
    "export format",
    "vitnas.exporters",
    {
        "onnx": "vitnas.deployment.exporters.onnx:Onnx",
    },
)

__all__ = ["EXPORTERS", "Exporter", "Facts", "Limits"]
