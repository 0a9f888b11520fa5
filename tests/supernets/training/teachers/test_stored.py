"""Answers on disk: what is written comes back, for the images it was written for and for no others."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vitnas.errors import CheckpointError, DataError, DiskError, SettingsError
from vitnas.supernets.augment import Augment, augment, batch_seed_of, seeds_of
from vitnas.supernets.data import Dataset, load_dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.training.teachers import Distil, LiveTeacher, StoredTeacher, make_teacher, write_answers
from vitnas.supernets.training.teachers.stored import StoredAnswers
from vitnas.supernets.training.teachers.terms import Terms

AUGMENT = Augment(flip=0.5, crop_padding=1, rand_augment=2, erase=0.3, mixup=0.4, cutmix=1.0)
BATCH, SEED, STEPS, PER_FILE = 32, 7, 50, 8


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(autouse=True)
def _short_files(monkeypatch):
    """Files of a few steps, so that a handful of steps makes several."""
    for module in ("stored", "teacher", "teaching"):
        monkeypatch.setattr(f"vitnas.supernets.training.teachers.{module}.STEPS_PER_FILE", PER_FILE)


class Counted(nn.Module):
    """A small network that remembers what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
        nn.init.normal_(self.layers[1].weight, std=1.0)
        self.shown: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.shown.append(images.clone())
        return self.layers(images)


def write(folder: Path, digits: Dataset, net: nn.Module, steps: int = STEPS, **changes: object) -> None:
    options = {"settings": AUGMENT, "batch_size": BATCH, "seed": SEED, "top_k": 10, **changes}
    write_answers(folder, net, "test", digits, num_steps=steps, **options)


def step_of(digits: Dataset, step: int) -> tuple[Tensor, Tensor, int]:
    """Images, seeds and batch seed as the training of these settings has them."""
    batches = Batches(len(digits.train), BATCH, SEED)
    indices = batches[step]
    seeds = torch.from_numpy(seeds_of(SEED, step // batches.per_epoch, indices))
    batch_seed = batch_seed_of(SEED, step)
    return augment(*digits.train.pixels(indices), seeds, batch_seed, AUGMENT, 10)[0], seeds, batch_seed


def stored(folder: Path, digits: Dataset, steps: int = STEPS, temperature: float = 1.0) -> StoredTeacher:
    distil = Distil(logits=str(folder), temperature=temperature)
    teacher = make_teacher(distil, digits, AUGMENT, BATCH, SEED, steps)
    assert isinstance(teacher, StoredTeacher)
    return teacher


def test_stored_answers_are_those_of_the_teacher_at_work(tmp_path, digits):
    net = Counted()
    write(tmp_path / "a", digits, net)
    assert Batches(len(digits.train), BATCH, SEED).per_epoch < STEPS, "the second epoch is seen as well"
    shown, live = net.shown, LiveTeacher(net)
    back = stored(tmp_path / "a", digits)
    for step in (0, 7, 8, 44, 45, 49, 3):
        images, seeds, batch_seed = step_of(digits, step)
        assert torch.equal(images, shown[step]), "the very image, bit by bit"
        said = live(images, step, seeds, batch_seed)
        assert torch.allclose(back(images, step, seeds, batch_seed), said, rtol=2e-3, atol=1e-6)


def test_temperature_is_chosen_when_training(tmp_path, digits):
    net = Counted()
    write(tmp_path / "a", digits, net, steps=2)
    args = step_of(digits, 1)
    cold = stored(tmp_path / "a", digits, 2, temperature=0.2)(args[0], 1, *args[1:])
    assert torch.allclose(cold, LiveTeacher(net, 0.2)(args[0], 1, *args[1:]), rtol=0, atol=3e-3)


def test_each_process_gets_its_part(tmp_path, digits):
    write(tmp_path / "a", digits, Counted(), steps=3)
    back = stored(tmp_path / "a", digits, 3)
    images, seeds, batch_seed = step_of(digits, 2)
    whole = back(images, 2, seeds, batch_seed)
    for part in (slice(0, 16), slice(16, 32)):
        assert torch.equal(back(images[part], 2, seeds[part], batch_seed), whole[part])


def test_another_order_or_batch_is_refused(tmp_path, digits):
    write(tmp_path / "a", digits, Counted(), steps=3)
    back = stored(tmp_path / "a", digits, 3)
    images, seeds, batch_seed = step_of(digits, 1)
    for wrong in ((seeds.flip(0), batch_seed), (seeds, batch_seed + 1), (seeds[[1, 0]], batch_seed)):
        with pytest.raises(DataError, match="other images, or in another order"):
            back(images, 1, *wrong)
    with pytest.raises(DataError, match="other images, or in another order"):
        back(images, 2, seeds, batch_seed)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"settings": replace(AUGMENT, mixup=0.5)}, "augment.mixup 0.5, not 0.4"),
        ({"batch_size": 16}, "batch_size 16, not 32"),
        ({"seed": 8}, "seed 8, not 7"),
    ],
)
def test_answers_for_another_training_are_refused(tmp_path, digits, changes, named):
    write(tmp_path / "a", digits, Counted(), steps=1, **changes)
    with pytest.raises(DataError, match=named):
        stored(tmp_path / "a", digits, 1)


def test_answers_for_other_images_are_refused(tmp_path, digits):
    write(tmp_path / "a", digits, Counted(), steps=1)
    fewer = replace(digits, train=digits.train.only(np.arange(len(digits.train) - 1)))
    with pytest.raises(DataError, match="num_images 1438, not 1437|num_images"):
        stored(tmp_path / "a", fewer, 1)
    swapped = np.arange(len(digits.train))
    swapped[[0, 1]] = 1, 0
    with pytest.raises(DataError, match="images '"):
        stored(tmp_path / "a", replace(digits, train=digits.train.only(swapped)), 1)


def test_a_longer_training_is_refused_and_can_be_provided_for(tmp_path, digits):
    net = Counted()
    write(tmp_path / "a", digits, net, steps=10)
    with pytest.raises(DataError, match="end at step 10, the training has 12 steps"):
        stored(tmp_path / "a", digits, 12)
    with pytest.raises(DataError, match="end at step 16, the training has 20 steps"):
        stored(tmp_path / "a", digits, 20)
    net.shown.clear()
    write(tmp_path / "a", digits, net, steps=12)
    assert len(net.shown) == 4, "the full file is not asked for again"
    stored(tmp_path / "a", digits, 12)


def test_a_folder_keeps_to_one_teacher(tmp_path, digits):
    write(tmp_path / "a", digits, Counted(), steps=1)
    with pytest.raises(DataError, match=r"holds other answers: top_k 10, not 3; choose another folder"):
        write(tmp_path / "a", digits, Counted(), steps=1, top_k=3)
    with pytest.raises(SettingsError, match="top_k is 11"):
        write(tmp_path / "b", digits, Counted(), steps=1, top_k=11)
    with pytest.raises(SettingsError, match="batch_size is 5000"):
        write(tmp_path / "b", digits, Counted(), steps=1, batch_size=5000)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("damage", ["truncated", "changed", "another folder's"])
def test_a_damaged_file_is_found_out_and_written_anew(tmp_path, digits, damage):
    net = Counted()
    write(tmp_path / "a", digits, net, steps=12)
    path = tmp_path / "a" / "steps-00000008.safetensors"
    good = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(good[:-100])
    elif damage == "changed":
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    else:
        save_file(load_file(path), path, {"sha256": "0"})
    with pytest.raises(CheckpointError, match=r"steps-00000008.safetensors' .* let `vitnas teach` go on"):
        stored(tmp_path / "a", digits, 12)
    net.shown.clear()
    write(tmp_path / "a", digits, net, steps=12)
    assert len(net.shown) == 4
    assert path.read_bytes() == good


def test_the_files_are_as_described(tmp_path, digits):
    write(tmp_path / "a", digits, Counted(), steps=9, top_k=3)
    header = json.loads((tmp_path / "a" / "teacher.json").read_text())
    assert header["format"] == "vitnas teacher answers"
    assert header["version"] == 1
    assert Terms(**header["terms"]) == Terms.of(digits, AUGMENT, BATCH, SEED)
    tensors = load_file(tmp_path / "a" / "steps-00000000.safetensors")
    shapes = {name: (t.dtype, tuple(t.shape)) for name, t in tensors.items()}
    assert shapes == {
        "values": (torch.float16, (8, 32, 3)),
        "classes": (torch.int16, (8, 32, 3)),
        "seeds": (torch.int64, (8, 32)),
        "batch_seeds": (torch.int64, (8,)),
    }


CHILD = """
import sys, time
from pathlib import Path
from tests.supernets.training.teachers.test_stored import PER_FILE, plain_net, write
from vitnas.supernets.data import load_dataset
from vitnas.supernets.training.teachers import stored, teaching
stored.STEPS_PER_FILE = teaching.STEPS_PER_FILE = PER_FILE
write(Path(sys.argv[1]), load_dataset("digits"), plain_net(), progress=lambda step: time.sleep(0.02))
"""


def plain_net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))


def test_a_kill_costs_no_more_than_a_file(tmp_path, digits):
    killed = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "killed")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[4],
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "killed" / "steps-00000008.safetensors").exists():
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    left = {path: path.stat().st_mtime_ns for path in (tmp_path / "killed").glob("steps-*.safetensors")}
    assert 2 <= len(left) < 7
    write(tmp_path / "killed", digits, plain_net())
    assert all(path.stat().st_mtime_ns == at for path, at in left.items()), "what was whole is kept"
    write(tmp_path / "whole", digits, plain_net())
    names = [path.name for path in sorted((tmp_path / "whole").glob("steps-*"))]
    assert len(names) == 7
    for name in names:
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_a_full_disk_is_told(tmp_path, digits, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    write(tmp_path / "a", digits, Counted(), steps=1)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        DiskError, match=r"steps-00000000.*No space left on device; what was written is kept.*make room"
    ):
        write(tmp_path / "a", digits, Counted(), steps=2)
    assert len(StoredAnswers.open(tmp_path / "a").read(0)["batch_seeds"]) == 1
