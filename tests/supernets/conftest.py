"""A run that trains in a second, for the tests of training, checkpoints and evaluation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run


@pytest.fixture(scope="session")
def small_space() -> SearchSpace:
    return load_space("autoformer-mini").restrict(width=(48, 64), depth=(3,), mlp_ratio=(2.0, 3.0))


@pytest.fixture(scope="session")
def small_run(small_space: SearchSpace) -> Callable[..., RunFolder]:
    def make(path: Path, **settings: Any) -> RunFolder:
        quick = {"steps": 6, "batch_size": 16, "threads": 1, "log_every": 1, "loggers": ()}
        return start_run(path, small_space, "digits", TrainSettings(**{**quick, **settings}))

    return make
