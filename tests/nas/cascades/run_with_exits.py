"""A small trained run, and the same with an exit after its first block and a table that only pretends; made once a process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from tests.latency_lut.test_table import make_table
from vitnas.api.cascades.exits import add_exits
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.settings.exits import ExitSettings
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.alone import NEVER
from vitnas.supernets.training.train import start_run, train


@cache
def trained_run(folder: Path) -> RunFolder:
    space = load_space("autoformer-mini").restrict(width=(48,), depth=(3,), mlp_ratio=(2.0,), heads=(2, 3))
    settings = TrainSettings(
        steps=100,
        batch_size=32,
        learning_rate=4e-3,
        threads=1,
        loggers=(),
        sampler="uniform",
        evaluate_every=NEVER,
        checkpoint_every=NEVER,
    )
    run = start_run(folder / "trained", space, "digits", settings)
    train(run, progress=False)
    return run


@cache
def exiting_run(folder: Path) -> RunFolder:
    settings = ExitSettings(at=(1,), steps=25, batch_size=32, learning_rate=1e-3, kinds=("plain", "local"))
    run = add_exits(trained_run(folder), folder / "exits", settings)
    file = run.latency_file("cpu")
    file.parent.mkdir()
    make_table(run.space).write(file)
    return run
