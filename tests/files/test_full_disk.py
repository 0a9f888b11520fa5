"""A disk that takes no more is told as that, with the file and the remedy, and leaves what was there before."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.files.test_flips import KINDS, counts, metrics
from tests.nas.problem import SMALL
from vitnas.errors import DiskError, SearchError, VitnasError
from vitnas.files import disk_trouble, disk_troubles, new_folder, open_append, write_bytes
from vitnas.nas.objectives import Objective
from vitnas.nas.study import Evaluation, Study, database

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are a Unix notion")


@contextmanager
def no_file_beyond(size: int) -> Iterator[None]:
    """Within it the system takes no larger file from this process: a disk that is full, without a disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not counts], ids=lambda kind: kind.__name__)
def test_every_kind_of_file_says_that_it_cannot_be_written(kind, tmp_path):
    with (
        pytest.raises(VitnasError, match=r"cannot write '.*': File too large; .*(`ulimit -f`|free some space)"),
        no_file_beyond(60),
    ):
        kind(tmp_path)
    assert all(len(content) <= 60 for content in tree(tmp_path).values())  # a line may be cut short, no file is


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (counts, metrics)], ids=lambda k: k.__name__)
def test_what_was_there_before_is_read_as_before(kind, tmp_path, monkeypatch):
    path, read = kind(tmp_path)
    expected = read()
    with pytest.raises(VitnasError), no_file_beyond(60):
        kind(tmp_path)
    assert path.exists()
    assert read() == expected


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(tmp_path, monkeypatch):
    from vitnas.supernets.counting.cache import count_specs

    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path))
    with no_file_beyond(60):
        assert count_specs(SMALL)
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room on that disk"),
        (errno.EDQUOT, "your share of that disk is spent"),
        (errno.EIO, "the disk fails"),
        (errno.EROFS, "choose a folder that may be written"),
    ],
)
def test_each_trouble_has_its_remedy(number, remedy, tmp_path, monkeypatch):
    write_bytes(tmp_path / "file", b"old")

    def refuse(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(
        DiskError, match=f"cannot write '.*file': {os.strerror(number)}; what was there before is as it was; {remedy}"
    ):
        write_bytes(tmp_path / "file", b"new")
    assert tree(tmp_path) == {"file": b"old"}


def test_a_log_on_a_device_that_is_full(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full")
    with pytest.raises(DiskError, match="it is no file"):
        open_append(Path("/dev/full"))


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("database or disk is full"),
        RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
        OSError(errno.ENOSPC, "No space left on device"),
    ],
)
def test_it_is_found_behind_what_libraries_make_of_it(error):
    outer = ValueError("This typically happens due to invalid data in the commit")
    outer.__cause__ = error
    assert disk_trouble(outer) == errno.ENOSPC
    assert disk_trouble(ValueError("something else")) is None


def test_a_folder_whose_content_does_not_fit_is_named_as_it_was_asked_for(tmp_path):
    def fill() -> None:
        with new_folder(tmp_path / "out") as draft:
            write_bytes(draft / "weights", bytes(100_000))

    with (
        no_file_beyond(50_000),
        pytest.raises(DiskError, match=f"cannot write '{tmp_path}/out/weights': File too large"),
    ):
        fill()
    assert tree(tmp_path) == {}

    def fill_otherwise() -> None:
        with new_folder(tmp_path / "out") as draft, (draft / "weights").open("wb") as file:
            file.write(bytes(100_000))

    with no_file_beyond(50_000), pytest.raises(DiskError, match=f"cannot write '{tmp_path}/out': File too large"):
        fill_otherwise()
    assert tree(tmp_path) == {}


def test_other_errors_are_left_as_they_are(tmp_path):
    with pytest.raises(KeyError), disk_troubles(tmp_path):
        raise KeyError("x")


@pytest.mark.heavy
def test_a_study_on_a_full_disk_says_so_and_keeps_what_it_has(tmp_path):
    def study() -> Study:
        return Study(SMALL, [Objective.named("accuracy")], database(tmp_path), "s", {})

    first, *others = SMALL.sample(40, np.random.default_rng(0))
    found = study()

    def record_all() -> None:
        for arch in others:
            found.record(Evaluation(arch, {"accuracy": 0.25}, 1.0))

    found.record(Evaluation(first, {"accuracy": 0.5}, 1.0))
    with no_file_beyond((tmp_path / "study.db").stat().st_size):
        with pytest.raises(SearchError, match=r"(Input/output error|No space left).*what is evaluated is kept") as told:
            record_all()
        assert "invalid data" not in str(told.value)
    assert study().find(first) == Evaluation(first, {"accuracy": 0.5}, 1.0)


COMMAND = """
import resource, sys
import torch, onnx, vitnas.deployment.export, vitnas.supernets.training.train
from vitnas import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))
cli.main()
"""


def test_a_command_ends_with_a_message(tmp_path):
    words = ["50", "predictor", "--help"]
    assert subprocess.run([sys.executable, "-c", COMMAND, *words], capture_output=True).returncode == 0
    (tmp_path / "short.toml").write_text("[train]\nsteps = 2\nthreads = 1\n")
    words = [
        "5000",
        "train-supernet",
        "--space",
        "autoformer-mini",
        "--data",
        "digits",
        "--out",
        "run",
        "--config",
        "short.toml",
    ]
    done = subprocess.run([sys.executable, "-c", COMMAND, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "File too large" in done.stderr
