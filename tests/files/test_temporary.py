"""Temporary folders: of one user, gone with their process, and never anybody else's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vitnas.files.temporary import MARK, temporary_folder

KILLED = """
import os, signal
from vitnas.files.temporary import temporary_folder
with temporary_folder() as folder:
    (folder / "content").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_it_is_private_and_goes(base: Path) -> None:
    with temporary_folder() as folder:
        assert folder.parent == base
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "below").mkdir()
    assert list(base.iterdir()) == []


def test_those_of_killed_processes_go_and_nothing_else(base: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(base)}, check=False)
    (left,) = base.iterdir()
    foreign = base / "vitnas-thesis"  # no mark
    foreign.mkdir()
    elsewhere = base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / MARK).touch()
    (base / "vitnas-link").symlink_to(elsewhere)
    with temporary_folder() as mine, temporary_folder() as other:
        assert mine.is_dir()
        assert other.is_dir()
        assert not left.exists()
    assert {path.name for path in base.iterdir()} == {"vitnas-thesis", "vitnas-link", "elsewhere"}
    assert (elsewhere / MARK).exists()


def test_a_path_too_long_for_sockets_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("d" * 60)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with temporary_folder(36) as folder:
        assert len(str(folder)) <= 36
