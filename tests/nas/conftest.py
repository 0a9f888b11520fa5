"""A run that trains in a second, with a table of a device that only pretends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from tests.latency_lut.test_table import make_table
from tests.nas.postgresql import new_database, server
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    space = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3,), mlp_ratio=(2.0, 3.0))
    settings = TrainSettings(steps=6, batch_size=16, threads=1, log_every=1, loggers=())
    run = start_run(tmp_path_factory.mktemp("trained") / "runs" / "small", space, "digits", settings)
    train(run, progress=False)
    table = make_table(run.space)
    for device in ("cpu", "phone"):  # the cpu of a machine that is not this one, so nothing is measured on it
        path: Path = run.latency_file(device)
        path.parent.mkdir(exist_ok=True)
        replace(table, header=replace(table.header, device=device)).write(path)
    return run


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[], str]]:
    """Gives the URL of a new database each time, on a server that ends with the tests."""
    numbers = count()
    with server() as url:
        yield lambda: new_database(url, f"test{next(numbers)}")
