"""What all tests share: one thread for numbers, and hypothesis with the same examples in every run."""

from __future__ import annotations

import os

# Before torch, numpy or onnxruntime start their threads: tests share two cores with one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")
