"""The quickest way to make steps: which is tried, what is taken, and that it is written into the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vitnas.errors import CheckpointError, TrainingError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.supernets.data import load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training import tuning
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.training.tuning import DoesNotFitError, Tried, tune

ASKED = TrainSettings(steps=1000, batch_size=16, threads=1, torch_device="cpu", sampler="sandwich")
Find = Callable[[Callable[[TrainSettings], Tried], TrainSettings], tuple[TrainSettings, list[str]]]


@pytest.fixture
def find(small_space: SearchSpace, monkeypatch: pytest.MonkeyPatch) -> Find:
    def tuned(took: Callable[[TrainSettings], Tried], asked: TrainSettings) -> tuple[TrainSettings, list[str]]:
        monkeypatch.setattr(tuning, "_trial", lambda space, way, *rest: took(way))
        said: list[str] = []
        return tune(small_space, asked, load_dataset("digits"), said.append), said

    return tuned


def changed(found: TrainSettings, asked: TrainSettings = ASKED) -> dict[str, Any]:
    before = asdict(asked)
    return {name: value for name, value in asdict(found).items() if value != before[name]}


def test_ways_that_save_time_are_taken_on_top_of_one_another(find: Find) -> None:
    def took(way: TrainSettings) -> Tried:
        seconds = 1.0 * (0.8 if way.channels_last else 1) * (0.97 if way.precision == "bf16" else 1)
        return Tried(seconds * (0.5 if way.compile else 1), 30.0 if way.compile else seconds)

    found, said = find(took, ASKED)
    assert changed(found) == {"channels_last": True, "compile": True}
    assert said == [
        "as asked: 1,000 ms a step",
        "channels last: 800 ms a step, taken",
        "bf16: 776 ms a step, left",  # so little may be chance
        "compiled: 400 ms a step, taken",
    ]


def test_compiling_must_pay_for_itself(find: Find) -> None:
    def took(way: TrainSettings) -> Tried:
        return Tried(0.5, 600.0) if way.compile else Tried(1.0, 1.0)

    assert changed(find(took, ASKED)[0]) == {}  # 500 seconds are saved
    longer = replace(ASKED, steps=2000)
    assert changed(find(took, longer)[0], longer) == {"compile": True}


def test_what_fails_or_does_not_go_together_is_left(find: Find) -> None:
    def took(way: TrainSettings) -> Tried:
        if way.precision == "bf16":
            raise RuntimeError("this device knows no bf16\nand more lines")
        return Tried(0.1 if way.compile else 1.0, 1.0)

    asked = replace(ASKED, drop_path=0.1)
    found, said = find(took, asked)
    assert changed(found, asked) == {}
    assert "bf16: left, this device knows no bf16" in said
    assert not any(line.startswith("compiled") for line in said)


def test_archs_that_do_not_come_again_are_not_compiled(find: Find) -> None:
    asked = replace(ASKED, sampler="uniform")
    _, said = find(lambda way: Tried(1.0, 1.0), asked)
    assert [line.partition(":")[0] for line in said] == ["as asked", "channels last", "bf16"]


def test_a_batch_that_does_not_fit_passes_in_shares(find: Find) -> None:
    def took(way: TrainSettings) -> Tried:
        if way.batch_size / way.accumulate > 4:
            raise DoesNotFitError
        return Tried(1.0, 1.0)

    found, said = find(took, ASKED)
    assert changed(found) == {"accumulate": 4}
    assert said[:2] == [
        "a batch of 16 in 1 shares does not fit; trying 2",
        "a batch of 16 in 2 shares does not fit; trying 4",
    ]


def test_a_batch_that_never_fits_is_refused(find: Find) -> None:
    def took(way: TrainSettings) -> Tried:
        raise DoesNotFitError

    with pytest.raises(TrainingError, match=r"batch_size 16 does not fit into memory in 16 shares"):
        find(took, ASKED)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory")])
def test_memory_that_is_out_is_told_from_other_errors(
    small_space: SearchSpace, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(*of: object) -> None:
        raise error

    monkeypatch.setattr(tuning, "make_optimizer", fails)
    with pytest.raises(TrainingError, match="does not fit"):
        tune(small_space, ASKED, load_dataset("digits"), print)
    error = RuntimeError("shapes differ")
    with pytest.raises(RuntimeError, match="shapes differ"):
        tune(small_space, ASKED, load_dataset("digits"), print)


@pytest.mark.heavy
def test_the_run_is_trained_in_the_way_that_was_found(
    tmp_path: Path, small_space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning, "WORTH", 100.0)  # whatever works is taken
    asked = TrainSettings(steps=3, batch_size=16, threads=1, torch_device="cpu", sampler="uniform", loggers=())
    said: list[str] = []
    run = start_run(tmp_path / "run", small_space, "digits", asked, tune_by=said.append)
    ways = {name: run.config["train"][name] for name in ("channels_last", "precision", "accumulate", "compile")}
    assert ways["accumulate"] == 1
    taken = {line.partition(":")[0] for line in said if line.endswith("taken")}
    assert ways["channels_last"] == ("channels last" in taken)
    assert (ways["precision"] == "bf16") == ("bf16" in taken)
    assert train(RunFolder.open(run.path), progress=False)
    with pytest.raises(CheckpointError, match="already holds a run"):
        start_run(tmp_path / "run", small_space, "digits", asked, tune_by=lambda text: pytest.fail(text))
