"""One arch that competes: trained alone in a run of its own, a part at a time, and judged in between."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from vitnas.errors import DataError, SettingsError, TrainingError
from vitnas.files import read_json, write_json
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.supernets.data import Dataset, DataSettings, dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate, one_thread
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.torch_device import CPU, Stopwatch, find_device
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

MARKS = "marks.json"


@dataclass(frozen=True)
class Mark:
    """How good a contender was on the validation images.

    Attributes:
        step: of its training.
        loss: mean cross-entropy, which decides.
        accuracy: in 0..1.
        cpu_s: processor seconds of its training so far, and of the judging; on a GPU, seconds of that.
    """

    step: int
    loss: float
    accuracy: float
    cpu_s: float


@dataclass(frozen=True)
class Stretch:
    """What a worker is asked: a run, trained to a step and judged there."""

    path: Path
    until: int


def enter(path: Path, space: SearchSpace, data: DataSettings, settings: TrainSettings) -> RunFolder:
    """The run of a contender, made if it is not there; one that was made for another training is refused."""
    if not RunFolder(path).config_file.is_file():
        return start_run(path, space, data, settings)
    run = RunFolder.open(path)
    begun = run.config["train"].get("steps")
    if begun != settings.steps:
        raise SettingsError(
            f"'{path}' was begun for {begun} steps, and the plan says {settings.steps}; put {begun} back into the plan, or "
            f"remove that folder, and it begins anew"
        )
    return run


def train_stretch(stretch: Stretch) -> Mark:
    """Trains to a step and judges, or recalls the mark of that step. Killed at any moment, it can be asked again.

    A training that goes astray ends with an infinite loss, so that others win.
    """
    run = RunFolder.open(stretch.path)
    known = read_marks(run)
    if (mark := next((mark for mark in known if mark.step == stretch.until), None)) is not None:
        return mark
    device = find_device(run.config["train"]["torch_device"])
    watch, before_s = Stopwatch(device), known[-1].cpu_s if known else 0.0
    loss, accuracy = math.inf, 0.0
    with suppress(TrainingError):
        train(run, progress=False, until=stretch.until)
        with one_thread():  # the same bits whatever the number of workers
            found = evaluate(network_of(run, dataset := dataset_of(run), device), dataset.val)
        loss, accuracy = found.loss, found.accuracy
    spent_s = before_s + watch.seconds()
    if not math.isfinite(loss):
        return Mark(stretch.until, math.inf, 0.0, spent_s)
    mark = Mark(stretch.until, loss, accuracy, spent_s)
    write_json(run.path / MARKS, msgspec.to_builtins([*known, mark]))
    return mark


def network_of(run: RunFolder, dataset: Dataset, device: torch.device = CPU) -> Any:
    """The network of a contender as its training left it."""
    return cut_out(load_supernet(run).to(device), run.space.largest(), dataset.train)


def read_marks(run: RunFolder) -> list[Mark]:
    """In the order in which they were given."""
    file = run.path / MARKS
    if not file.is_file():
        return []
    try:
        return msgspec.convert(read_json(file), list[Mark])
    except msgspec.ValidationError as error:
        raise DataError(
            f"'{file}' is none that vitnas wrote ({error}); remove it, and the network is judged again"
        ) from None
