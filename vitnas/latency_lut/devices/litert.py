"""This machine's processor through LiteRT."""

from __future__ import annotations

import os
from importlib import util

from vitnas.latency_lut.devices.measured import MeasuredHere

CONVERTER = "VITNAS_LITERT_PYTHON"
"""The environment variable that names a Python with litert-torch, which wants another torch than vitnas may have."""


class LiteRT(MeasuredHere):
    """LiteRT with XNNPACK, fp32."""

    base = "cpu-litert"
    runtime = "vitnas.latency_lut.runtimes.litert:LiteRT"
    distribution = "ai-edge-litert"
    module = "ai_edge_litert"
    extra = "litert"
    converter = "litert-torch"
    layout = "NHWC"
    clock = "process_clock"

    def missing(self) -> str | None:
        if found := super().missing():
            return found
        if CONVERTER not in os.environ and util.find_spec("litert_torch") is None:
            return (
                "the converter 'litert-torch' is not installed, and it needs a PyTorch of its own: make another "
                f"environment, `pip install litert-torch` there, and set {CONVERTER} to its Python"
            )
        return None
