from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from vitnas.errors import CheckpointError
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.weights import checkpoints
from vitnas.supernets.weights.checkpoints import (
    KEEP,
    TrainingProgress,
    checkpoint_folders,
    load_supernet,
    made_by,
    resume,
    save_checkpoint,
)

MakeRun = Callable[..., RunFolder]
FULL_DISK = """
import resource, sys
from pathlib import Path
from vitnas.errors import CheckpointError
from vitnas.run import RunFolder
from vitnas.supernets.weights.checkpoints import TrainingProgress, save_checkpoint
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.settings.train import TrainSettings
run = RunFolder.open(Path(sys.argv[1]))
net = Supernet(run.space)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(2))
except CheckpointError as error:
    print(error)
"""


@pytest.fixture
def saved(tmp_path: Path, small_run: MakeRun) -> tuple[RunFolder, Supernet]:
    """A run whose three checkpoints hold different weights, and the net as in the newest."""
    run = small_run(tmp_path / "run")
    net = Supernet(run.space, 1)
    optimizer = make_optimizer(net, TrainSettings(learning_rate=0.01))
    for step in (1, 2, 3):
        net(torch.randn(2, 1, 8, 8), run.space.smallest()).sum().backward()
        optimizer.step()
        save_checkpoint(run, net, optimizer, TrainingProgress(step))
    return run, net


def same(a: Supernet, b: Supernet) -> bool:
    return all(torch.equal(x, b.state_dict()[name]) for name, x in a.state_dict().items())


def test_weights_optimizer_and_progress_come_back(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    settings = TrainSettings(learning_rate=0.01)
    nets = [Supernet(run.space, seed) for seed in (1, 2)]
    optimizers = [make_optimizer(net, settings) for net in nets]
    nets[0](torch.randn(2, 1, 8, 8), run.space.smallest()).sum().backward()
    optimizers[0].step()
    save_checkpoint(run, nets[0], optimizers[0], TrainingProgress(7, 2, {"bank": [1, 2]}))
    assert resume(run, nets[1], optimizers[1]) == TrainingProgress(7, 2, {"bank": [1, 2]})
    assert same(nets[0], nets[1])
    old, new = (optimizer.state_dict() for optimizer in optimizers)
    assert old["param_groups"] == new["param_groups"]
    assert old["state"].keys() == new["state"].keys()
    for i, state in old["state"].items():
        assert all(torch.equal(value, new["state"][i][key]) for key, value in state.items())


def test_a_run_without_checkpoints(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    net = Supernet(run.space)
    assert resume(run, net, make_optimizer(net, TrainSettings())) is None
    with pytest.raises(CheckpointError, match="no checkpoint yet; train it with"):
        load_supernet(run)


def test_the_latest_are_kept_and_leftovers_cleared(saved: tuple[RunFolder, Supernet]) -> None:
    run, net = saved
    (run.checkpoints / ".step-00000009.123.tmp").mkdir()
    save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(4))
    assert [p.name for p in checkpoint_folders(run)] == [f"step-{i:08d}" for i in range(5 - KEEP, 5)]
    assert len(list(run.checkpoints.iterdir())) == KEEP


def test_what_others_put_beside_checkpoints_or_into_them_stays(saved: tuple[RunFolder, Supernet]) -> None:
    run, net = saved
    (run.checkpoints / "step-by-step").mkdir()
    (run.checkpoints / "step-by-step" / "thesis.md").write_text("years of work")
    (run.checkpoints / "step-00000001" / "notes.md").write_text("a good one")
    (run.checkpoints / ".step-notes").mkdir()
    for step in range(4, 9):
        save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(step))
    assert (run.checkpoints / "step-by-step" / "thesis.md").read_text() == "years of work"
    assert (run.checkpoints / "step-00000001" / "supernet.safetensors").exists()
    assert (run.checkpoints / ".step-notes").exists()
    assert [p.name for p in checkpoint_folders(run)] == ["step-00000001", *(f"step-{i:08d}" for i in (6, 7, 8))]


def test_those_in_between_stay_until_the_next_and_take_no_room_of_others(
    saved: tuple[RunFolder, Supernet],
) -> None:
    run, net = saved
    optimizer = make_optimizer(net, TrainSettings())

    def steps_after(step: int, planned: bool) -> list[int]:
        save_checkpoint(run, net, optimizer, TrainingProgress(step), planned=planned)
        return [int(path.name.removeprefix("step-")) for path in checkpoint_folders(run)]

    assert steps_after(4, False) == [1, 2, 3, 4]
    assert steps_after(5, False) == [1, 2, 3, 5]
    assert steps_after(6, True) == [2, 3, 6]
    assert steps_after(7, False) == [2, 3, 6, 7]
    (run.checkpoints / "step-00000006/state.json").write_text("[]")  # damaged, and no less kept
    assert steps_after(8, True) == [3, 6, 8]


def test_who_made_a_checkpoint_is_kept(saved: tuple[RunFolder, Supernet]) -> None:
    run, net = saved
    assert made_by(run) == {}
    save_checkpoint(
        run, net, make_optimizer(net, TrainSettings()), TrainingProgress(4), made_by={"processes": 2, "threads": 1}
    )
    assert made_by(run) == {"processes": 2, "threads": 1}


def flip_a_bit(path: Path) -> None:
    content = bytearray((path / "supernet.safetensors").read_bytes())
    content[-100] ^= 1
    (path / "supernet.safetensors").write_bytes(content)


def cut_short(path: Path) -> None:
    file = path / "supernet.safetensors"
    file.write_bytes(file.read_bytes()[:1000])


def lose_weights(path: Path) -> None:
    (path / "supernet.safetensors").unlink()


def lose_state(path: Path) -> None:
    (path / "state.json").unlink()


def halve_state(path: Path) -> None:
    file = path / "state.json"
    file.write_bytes(file.read_bytes()[:30])


def empty_state(path: Path) -> None:
    (path / "state.json").write_text("[]")


DAMAGES = [flip_a_bit, cut_short, lose_weights, lose_state, halve_state, empty_state]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__)
def test_a_damaged_one_is_skipped_with_a_warning(
    saved: tuple[RunFolder, Supernet], damage: Callable[[Path], None]
) -> None:
    run, net = saved
    assert same(load_supernet(run), net)
    newest, second = reversed(checkpoint_folders(run)[-2:])
    damage(newest)
    with pytest.warns(UserWarning, match=f"skipped damaged checkpoint .*{newest.name}"):
        found = load_supernet(run)
    shutil.rmtree(newest)
    assert same(found, load_supernet(run))
    assert not same(found, net)
    assert second.exists()


@pytest.mark.filterwarnings("ignore:skipped damaged")
def test_when_all_are_damaged_it_says_so(saved: tuple[RunFolder, Supernet]) -> None:
    run, net = saved
    for path in checkpoint_folders(run):
        flip_a_bit(path)
    with pytest.raises(CheckpointError, match=r"no checkpoint that can be read, damaged are .*delete the folder"):
        load_supernet(run)
    with pytest.raises(CheckpointError, match="no checkpoint that can be read"):
        resume(run, net, make_optimizer(net, TrainSettings()))


def test_weights_of_another_space_are_refused(saved: tuple[RunFolder, Supernet], small_space: SearchSpace) -> None:
    run, _ = saved
    other = RunFolder.create(run.path.parent / "other", load_space("autoformer-mini"), {})
    shutil.copytree(run.checkpoints, other.checkpoints)
    with pytest.raises(CheckpointError, match=f"made for space {small_space.fingerprint}, but run .* is of space"):
        load_supernet(other)


def test_a_full_disk_leaves_the_last_good_checkpoint(
    saved: tuple[RunFolder, Supernet], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, net = saved

    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(checkpoints, "write_json", refuse)
    with pytest.raises(CheckpointError, match=r"step-00000004': No space left on device; .*free some space"):
        save_checkpoint(run, net, make_optimizer(net, TrainSettings()), TrainingProgress(4))
    monkeypatch.undo()
    assert sorted(p.name for p in run.checkpoints.iterdir()) == [f"step-{i:08d}" for i in (1, 2, 3)]
    assert same(load_supernet(run), net)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a Unix notion")
def test_tensors_that_cannot_be_written_are_told_without_a_traceback(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(run.path)], capture_output=True, text=True, check=True)
    assert "cannot write checkpoint" in done.stdout
    assert "free some space" in done.stdout
    assert checkpoint_folders(run) == []


def test_files_hold_tensors_and_text_only(saved: tuple[RunFolder, Supernet]) -> None:
    run, _ = saved
    newest = checkpoint_folders(run)[-1]
    assert sorted(p.name for p in newest.iterdir()) == ["optimizer.safetensors", "state.json", "supernet.safetensors"]
    state = json.loads((newest / "state.json").read_text())
    assert state["step"] == 3
    assert state["space"] == run.space.fingerprint
