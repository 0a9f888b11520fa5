"""Images read by processes: those of threads to the byte, and nothing stays behind."""

from __future__ import annotations

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

from tests.supernets.data.pictures import write_folder
from tests.supernets.data.test_loader import NUMBERED, same
from vitnas.errors import DataError
from vitnas.supernets.data import DataSettings, Images, Loader, Pictures, load_dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.data.pictures import Damage, Files

OUTLIVED = """
import sys, os
from pathlib import Path
from vitnas.supernets.data import DataSettings, Loader, load_dataset
from vitnas.supernets.data.batches import Batches
train = load_dataset(DataSettings(sys.argv[1], image_size=16)).train
taken = iter(Loader(train, Batches(len(train), 4, 0), 0, 1000, threads=2, processes=True))
next(taken)
print(*Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(), flush=True)
while True:
    next(taken)
"""


class Broken(Files):
    """Raises what no reader expects."""

    def read(self, row: int) -> bytes:
        raise ZeroDivisionError(f"image {row}")

    def name(self, row: int) -> str:
        return str(row)


def children() -> set[int]:
    """Processes of this one that read."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {int(pid) for pid in pids if b"supernets.data.reader" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def read(train: Images, start: int = 0, stop: int = 6, **how):
    return list(Loader(train, Batches(len(train), 8, 0), start, stop, **how))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of two classes, one of them cut off."""
    path = tmp_path_factory.mktemp("images")
    write_folder(path, {"a": 20, "b": 20}, "jpg", (50, 40))
    file = sorted((path / "a").iterdir())[3]
    file.write_bytes(file.read_bytes()[:40])
    return path


@pytest.fixture
def train(folder: Path) -> Pictures:
    return load_dataset(DataSettings(str(folder), image_size=24, max_damaged=0.1)).train


def test_the_same_images_come_in_the_same_order(folder: Path, train: Images) -> None:
    apart = load_dataset(DataSettings(str(folder), image_size=24, max_damaged=0.1)).train
    whole = read(train)
    assert same(read(apart, threads=2, processes=True), whole)
    assert apart.damaged == train.damaged
    assert len(train.damaged) == 1
    assert same(read(apart, start=4, threads=1, processes=True), whole[4:])
    assert not children()


def test_leaving_early_ends_the_processes_and_they_leave_no_file(train: Images) -> None:
    before = set(os.listdir("/dev/shm")) if os.path.isdir("/dev/shm") else set()
    for _ in Loader(train, Batches(len(train), 8, 0), 0, 1000, threads=1, processes=True):
        assert len(children()) == 1
        break
    assert not children()
    assert not before or set(os.listdir("/dev/shm")) <= before


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_a_process_that_loses_its_parent_ends(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", OUTLIVED, str(folder)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while not all(map(gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert all(map(gone, pids))


def test_a_process_that_dies_is_told(train: Images) -> None:
    taken = iter(Loader(train, Batches(len(train), 8, 0), 0, 1000, threads=1, processes=True))
    next(taken)
    [pid] = children()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DataError, match=r"ended with code -9; .* lower \[train\] loader_threads"):
        for _ in taken:
            pass
    assert not children()


def test_what_goes_wrong_in_a_process_is_raised_here() -> None:
    images = Pictures(
        files=Broken(), damage=Damage(1), labels=np.zeros(9, np.int64), rows=np.arange(9), image_size=4, channels=1
    )
    taken = iter(Loader(images, Batches(9, 3, 0), 0, 3, threads=1, processes=True))
    with pytest.raises(ZeroDivisionError, match="image"):
        next(taken)


def test_too_much_damage_is_refused_as_by_threads(train: Pictures) -> None:
    strict = replace(train, damage=Damage(0))
    with pytest.raises(DataError, match="1 images cannot be read, more than the limit of 0"):
        read(strict, threads=1, processes=True)


def test_images_in_memory_stay_with_threads() -> None:
    with pytest.warns(UserWarning, match="these images cannot be read by another process; threads read them"):
        found = read(NUMBERED, processes=True)
    assert same(found, read(NUMBERED))
    assert torch.equal(found[0][1], torch.from_numpy(found[0][2]))
