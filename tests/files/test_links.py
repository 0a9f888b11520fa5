"""A folder that came from somebody cannot make vitnas write elsewhere: links in it are refused, pipes are not waited for."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.nas.problem import TINY, Score, posed
from vitnas.errors import BusyError, DiskError, VitnasError
from vitnas.files import is_locked, only_here, open_append, write_bytes, write_json
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.timing_journal import PartialTimings
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Blueprint
from vitnas.supernets.training.metrics import MetricsLog


@pytest.fixture
def thesis(tmp_path):
    file = tmp_path / "thesis"
    file.write_text("years of work")
    yield file
    assert file.read_text() == "years of work"


def test_a_lock_that_is_a_link_empties_nothing(tmp_path, thesis):
    folder = tmp_path / "received"
    folder.mkdir()
    (folder / ".lock").symlink_to(thesis)
    with (
        pytest.raises(BusyError, match=r"\.lock' is a link, and vitnas writes through none; remove it"),
        only_here(folder, "search"),
    ):
        pass
    assert not is_locked(folder)


def test_a_lock_is_never_emptied(tmp_path, thesis):
    (tmp_path / "received").mkdir()
    os.link(thesis, tmp_path / "received" / ".lock")
    with only_here(tmp_path / "received", "search"):
        assert is_locked(tmp_path / "received")


def test_a_lock_that_is_a_pipe_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    assert not is_locked(tmp_path)


@pytest.mark.parametrize("write", [lambda p: write_bytes(p, b"x"), lambda p: write_json(p, {}), open_append])
def test_a_file_that_is_a_link_is_refused(tmp_path, thesis, write):
    for target in (thesis, tmp_path / "not there"):
        link = tmp_path / "received" / "file"
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target)
        with pytest.raises(
            DiskError, match=r"cannot write '.*file': it is a link to .*: name the file itself, or remove the link"
        ):
            write(link)
        link.unlink()
    assert not (tmp_path / "not there").exists()


def test_a_draft_is_never_one_that_is_there(tmp_path, thesis, monkeypatch):
    monkeypatch.setattr("os.urandom", lambda n: b"\0" * n)
    (tmp_path / ".file.00000000.tmp").symlink_to(thesis)
    with pytest.raises(DiskError, match="File exists"):
        write_bytes(tmp_path / "file", b"x")


def test_lines_for_a_file_with_two_names_go_to_one(tmp_path, thesis):
    os.link(thesis, tmp_path / "search.log")
    with open_append(tmp_path / "search.log") as file:
        file.write(b" and more")
    assert (tmp_path / "search.log").read_text() == "years of work and more"


def test_a_pipe_is_no_log(tmp_path):
    os.mkfifo(tmp_path / "search.log")
    with pytest.raises(DiskError, match=r"cannot write '.*search\.log'"):
        open_append(tmp_path / "search.log")


@pytest.mark.parametrize(
    "name", ["search.log", "study.db", "study.db-journal", ".lock", "front.json", "evaluations.parquet"]
)
def test_a_search_in_a_received_folder_writes_through_no_link(name, tmp_path, thesis):
    folder = tmp_path / "received"
    folder.mkdir()
    (folder / name).symlink_to(thesis)
    settings = SearchSettings(evaluations=4, initial=2)
    with pytest.raises(VitnasError, match="link"):
        search(posed(TINY, settings), Score(TINY), settings, folder, progress=False)


@pytest.mark.parametrize("name", ["metrics.jsonl", "tensorboard"])
def test_a_training_in_a_received_folder_writes_through_no_link(name, tmp_path, thesis):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.toml").touch()
    (tmp_path / "run" / name).symlink_to(thesis)
    with pytest.raises(DiskError, match="it is a link"), MetricsLog(RunFolder(tmp_path / "run"), 0, ["tensorboard"]):
        pass


def test_timings_so_far_go_through_no_link(tmp_path, thesis):
    (tmp_path / "timings.jsonl").symlink_to(thesis)
    with pytest.raises(DiskError, match="it is a link"):
        PartialTimings(tmp_path / "timings.jsonl", {})
    timings = PartialTimings(tmp_path / "other.jsonl", {})
    (tmp_path / "other.jsonl").unlink()
    (tmp_path / "other.jsonl").symlink_to(thesis)
    with pytest.raises(DiskError, match="it is a link"):
        timings.add(Blueprint((), ()), Timing(1.0, 0.1, 0.9, 1.1, 5, 0.1))


def test_a_run_that_is_reached_through_a_link_is_fine(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    write_json(tmp_path / "run" / "front.json", {"a": 1})
    with only_here(tmp_path / "run", "search"):
        pass
    assert sorted(os.listdir(tmp_path / "disk")) == [".lock", "front.json"]


def test_modes_are_those_of_the_umask(tmp_path):
    code = "import os, sys, pathlib; os.umask(0o027); from vitnas.files import write_bytes; write_bytes(pathlib.Path(sys.argv[1]), b'')"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "file")], check=True)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
