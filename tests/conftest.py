"""What all tests share: one thread for numbers, and hypothesis with the same examples in every run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

# Before torch, numpy or onnxruntime start their threads: tests share two cores with one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from tests.fast import leave_out_conversions_and_programs

settings.register_profile(
    "suite", deadline=None, derandomize=True, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")


def pytest_configure(config: pytest.Config) -> None:
    """`-m "... not heavy"` is the fast tier; the process that only hands tests to workers runs none."""
    hands_out = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if "not heavy" in config.option.markexpr and not hands_out:
        leave_out_conversions_and_programs()


@pytest.fixture(autouse=True, scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Counts are kept where no other run, and no user, finds them; processes of one run share them."""
    with pytest.MonkeyPatch.context() as patch:
        own = tmp_path_factory.getbasetemp()
        folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "cache"
        folder.mkdir(exist_ok=True)
        patch.setenv("VITNAS_CACHE", str(folder))
        yield folder
