"""What all tests share: one thread for numbers, and hypothesis with the same examples in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch, numpy or onnxruntime start their threads: tests share two cores with one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Counts are kept where no other run, and no user, finds them."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("VITNAS_CACHE", str(folder))
        yield folder
