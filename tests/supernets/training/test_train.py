from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests import warm
from vitnas.errors import BusyError, CheckpointError, DataError, SettingsError, TrainingError
from vitnas.files import only_here, read_lines
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.learner import Learner, StepOutcome
from vitnas.supernets.training.lessons import Marks
from vitnas.supernets.training.resuming import change_means, other_bits
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import checkpoint_folders, load_supernet

pytestmark = pytest.mark.heavy  # most of them work for a second or more

MakeRun = Callable[..., RunFolder]
TRAIN = """
import sys
from pathlib import Path
from vitnas.files import only_here, read_lines
from vitnas.run import RunFolder
from vitnas.supernets.training.train import train
train(RunFolder.open(Path(sys.argv[1])), progress=False)
"""


def metrics(run: RunFolder) -> list[dict[str, Any]]:
    return list(read_lines(run.metrics_file))


def bytes_of_newest(run: RunFolder) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in checkpoint_folders(run)[-1].iterdir()}


@pytest.mark.heavy
@pytest.mark.parametrize("sampler", [pytest.param(name, marks=pytest.mark.slow) for name in ("sandwich", "multi")])
def test_killed_at_any_moment_it_ends_with_the_same_bits(tmp_path: Path, small_run: MakeRun, sampler: str) -> None:
    own = {"sandwich": {"num_random": 1, "label_share": 0.5}}.get(sampler, {})
    options = {"steps": 40, "checkpoint_every": 3, "sampler": sampler, "sampler_options": own}
    undisturbed = small_run(tmp_path / "undisturbed", **options)
    train(undisturbed, progress=False)
    run = small_run(tmp_path / "killed", **options)
    rng = np.random.default_rng()
    num_kills = 0
    for stop_at in (0, 10, 25):
        process = warm.start(TRAIN, run.path)
        while process.is_alive() and (not run.metrics_file.exists() or len(metrics_lines(run)) <= stop_at):
            time.sleep(0.002)
        time.sleep(rng.random() * 0.1)  # somewhere inside a step, a save, a line
        num_kills += warm.end(process) == -signal.SIGKILL
    assert num_kills >= 2
    last = warm.start(TRAIN, run.path)
    last.join()
    assert last.exitcode == 0
    assert bytes_of_newest(run) == bytes_of_newest(undisturbed)
    assert [line["step"] for line in metrics(run)] == [line["step"] for line in metrics(undisturbed)]
    assert [line.get("loss") for line in metrics(run)] == [line.get("loss") for line in metrics(undisturbed)]


def metrics_lines(run: RunFolder) -> Sequence[bytes]:
    return run.metrics_file.read_bytes().splitlines()


def test_a_damaged_checkpoint_costs_only_the_steps_since_the_one_before(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", checkpoint_every=2)
    train(run, progress=False)
    expected = bytes_of_newest(run)
    newest = checkpoint_folders(run)[-1]
    (newest / "optimizer.safetensors").write_bytes(expected["optimizer.safetensors"][:-1])
    with pytest.warns(UserWarning, match="skipped damaged checkpoint .*step-00000006"):
        train(run, progress=False)
    assert bytes_of_newest(run) == expected


def test_a_finished_run_stays_as_it_is(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    train(run, progress=False)
    before = bytes_of_newest(run), run.metrics_file.read_bytes()
    train(run, progress=False)
    assert (bytes_of_newest(run), run.metrics_file.read_bytes()) == before


@pytest.mark.heavy
def test_the_surroundings_stay_as_they_are(tmp_path: Path, small_run: MakeRun) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    train(small_run(tmp_path / "run", steps=1, threads=1 if threads > 1 else 2), progress=False)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)


def test_everything_assumed_is_in_the_config(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", threads=None)
    table = run.config["train"]
    assert table["threads"] >= 1
    assert {*table, "init", "evaluate_every", "loggers"} == set(TrainSettings.__dataclass_fields__)
    assert run.config["data"]["name"] == "digits"


def test_metrics_tell_losses_and_scores_of_both_ends(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=5, log_every=2, evaluate_every=4)
    train(run, progress=False)
    lines = metrics(run)
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 5]
    scored = [line for line in lines if "largest" in line]
    assert [line["step"] for line in scored] == [4, 5]
    assert all(0 <= line[end]["accuracy"] <= 1 for line in scored for end in ("smallest", "largest"))


def test_tensorboard_gets_the_same_numbers(tmp_path: Path, small_run: MakeRun) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = small_run(tmp_path / "run", steps=3, loggers=("tensorboard",))
    train(run, progress=False)
    events = EventAccumulator(str(run.path / "tensorboard")).Reload()
    assert {"loss", "largest/accuracy", "smallest/accuracy"} <= set(events.Tags()["scalars"])
    losses = [line["loss"] for line in metrics(run) if "loss" in line]
    assert [e.value for e in events.Scalars("loss")] == pytest.approx(losses)


def test_steps_without_finite_loss_are_skipped_then_end_the_run(
    tmp_path: Path, small_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(tmp_path / "run", steps=20, checkpoint_every=1, max_bad_steps=3)
    good, calls = Learner._gradients, iter(range(100))

    def spoilt(self: Learner, *rest: Any) -> Marks:
        marks = good(self, *rest)
        if next(calls) in (2, 6, 7, 8):
            self.parameters[0].grad.fill_(float("nan"))  # type: ignore[union-attr]
        return marks

    monkeypatch.setattr(Learner, "_gradients", spoilt)
    with pytest.raises(TrainingError, match=r"stopped at step 8: 3 steps in a row .* lower learning_rate"):
        train(run, progress=False)
    assert [line["bad_steps"] for line in metrics(run) if "loss" in line] == [0, 0, 1, 0, 0, 0, 1, 2]
    weights = {p.name: load_file(p / "supernet.safetensors") for p in checkpoint_folders(run)}
    assert all(bool(t.isfinite().all()) for tensors in weights.values() for t in tensors.values())
    for name, tensor in weights["step-00000007"].items():
        assert torch.equal(tensor, weights["step-00000006"][name])


def test_weights_that_are_not_finite_are_never_saved(
    tmp_path: Path, small_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = small_run(tmp_path / "run", checkpoint_every=2)
    good, calls = Learner.learn, iter(range(100))

    def spoilt(self: Learner, *rest: Any, **how: Any) -> StepOutcome:
        outcome = good(self, *rest, **how)
        if next(calls) == 3:
            self.parameters[0].data.fill_(float("inf"))
        return outcome

    monkeypatch.setattr(Learner, "learn", spoilt)
    with pytest.raises(TrainingError, match="weights are no longer finite; the last good checkpoint is kept"):
        train(run, progress=False)
    assert [p.name for p in checkpoint_folders(run)] == ["step-00000002"]


def test_what_cannot_work_is_refused_before_a_folder_is_made(tmp_path: Path, small_space: SearchSpace) -> None:
    path = tmp_path / "run"
    with pytest.raises(DataError, match="'digits' holds 8x8 images"):
        start_run(path, load_space("autoformer-tiny"), "digits", TrainSettings())
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="torch finds no GPU here; choose 'cpu'"):
            start_run(path, small_space, "digits", TrainSettings(torch_device="cuda"))
    assert not path.exists()


def test_a_folder_without_training_tables_is_refused(tmp_path: Path, small_space: SearchSpace) -> None:
    run = RunFolder.create(tmp_path / "run", small_space, {})
    with pytest.raises(CheckpointError, match=r"no tables \[train\] and \[data\]"):
        train(run, progress=False)


def test_training_lowers_the_loss(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=60, batch_size=64)
    train(run, progress=False)
    losses = [line["loss"] for line in metrics(run) if "loss" in line]
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])
    assert load_supernet(run).training is False


def test_one_training_at_a_time(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    with (
        only_here(run.path, "training"),
        pytest.raises(BusyError, match="another training is at work"),
    ):
        train(run, progress=False)
    train(run, progress=False)


def test_a_batch_takes_no_more_images_than_there_are(tmp_path: Path, small_space: SearchSpace) -> None:
    few, settings = DataSettings("digits", val_share=0.97), TrainSettings(accumulate=2, steps=1, threads=1)
    size = len(load_dataset(few).train) // 4 * 4
    assert 8 < size < settings.batch_size
    with pytest.warns(UserWarning, match=rf"batch_size is 64, but there are \d+ training images; a step takes {size}"):
        run = start_run(tmp_path / "run", small_space, few, settings, workers=2)
    assert run.config["train"]["batch_size"] == size
    train(run, progress=False)
    assert len(checkpoint_folders(run)) == 1


def test_a_clock_makes_checkpoints_in_between_and_changes_no_bit(tmp_path: Path, small_run: MakeRun) -> None:
    calm = small_run(tmp_path / "calm", checkpoint_every=4, checkpoint_minutes=0)
    hasty = small_run(tmp_path / "hasty", checkpoint_every=4, checkpoint_minutes=1e-6)
    seen: list[list[str]] = []

    def look() -> bool:
        seen.append([path.name for path in checkpoint_folders(hasty)])
        return False

    assert train(calm, progress=False)
    assert train(hasty, progress=False, stop=look)
    assert ["step-00000002"] in seen  # one in between, and then the next
    assert ["step-00000004", "step-00000005"] in seen
    assert [path.name for path in checkpoint_folders(hasty)] == ["step-00000004", "step-00000006"]
    assert bytes_of_newest(hasty) == bytes_of_newest(calm)


@pytest.mark.parametrize(("looks", "step"), [(4, 3), (5, 4)], ids=["between", "before an evaluation"])
def test_asked_to_stop_it_saves_the_step_and_goes_on_from_there(
    looks: int, step: int, tmp_path: Path, small_run: MakeRun
) -> None:
    whole = small_run(tmp_path / "whole", evaluate_every=2)
    run = small_run(tmp_path / "run", evaluate_every=2)
    train(whole, progress=False)
    asked = iter([False] * looks + [True])  # once before the first step, then after each, and after each evaluation
    assert not train(run, progress=False, stop=lambda: next(asked))
    assert [path.name for path in checkpoint_folders(run)] == [f"step-{step:08d}"]
    assert train(run, progress=False)
    assert bytes_of_newest(run) == bytes_of_newest(whole)
    for one, other in zip(metrics(run), metrics(whole), strict=True):
        assert {**one, "images_per_s": 0} == {**other, "images_per_s": 0}


def test_an_evaluation_that_was_broken_off_comes_when_it_goes_on(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=2, evaluate_every=2)
    train(run, progress=False)
    lines = run.metrics_file.read_bytes().splitlines(keepends=True)
    assert b"smallest" in lines[-1]
    run.metrics_file.write_bytes(b"".join(lines[:-1]))
    train(run, progress=False)
    assert run.metrics_file.read_bytes().splitlines(keepends=True)[-1] == lines[-1]


def test_other_means_are_taken_and_what_changes_the_bits_is_told(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=2)
    train(run, progress=False)
    assert other_bits(run, 1) is None
    change_means(run, None, 5)
    assert run.config["train"]["loader_threads"] == 5
    assert other_bits(run, 1) is None
    change_means(run, 4, None)
    assert run.config["train"]["threads"] == 4
    assert other_bits(run, 1) == (
        "threads: 1 before, 4 now. Sums are rounded in another order, so the weights will agree to rounding, not to the bit"
    )
    assert "processes: 1 before, 2 now; threads: 1 before, 2 now" in str(other_bits(run, 2))
    with pytest.raises(SettingsError, match=r"loader_threads must be at least 1"):
        change_means(run, None, 0)
    with only_here(run.path, "training"), pytest.raises(BusyError):
        change_means(run, 1, None)
