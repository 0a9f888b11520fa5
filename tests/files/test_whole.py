"""Files are whole or not there, also when the writer dies half-way."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vitnas.errors import DataError
from vitnas.files import new_folder, only_here, read_json, sha256, write_bytes, write_json
from vitnas.files.claims import held
from vitnas.files.lists import LIST


def test_a_file_is_written_with_its_folders_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file.json"
    write_json(path, {"x": [1, 2.5, None]})
    write_json(path, {"x": "new"})
    assert read_json(path) == {"x": "new"}
    assert os.listdir(path.parent) == ["file.json"]


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_appears_whole_and_replaces_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for text in ("old", "new"):
        with new_folder(path) as draft:
            (draft / text).write_text(text)
            assert not (path / text).exists()
        assert sorted(os.listdir(path)) == [LIST, text]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_fails_leaves_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with new_folder(path) as draft:
        (draft / "old").touch()

    def fail() -> None:
        with new_folder(path) as draft:
            (draft / "new").touch()
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert sorted(os.listdir(path)) == [LIST, "old"]
    assert os.listdir(tmp_path) == ["folder"]


WRITER = """
import os, signal, sys
from pathlib import Path
from vitnas.files import new_folder
from vitnas.files.claims import held
with new_folder(Path(sys.argv[1])) as draft:
    (draft / 'half').touch()
    print('half', flush=True)
    sys.stdin.read() if sys.argv[2] == 'wait' else os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_writer_leaves_no_half_folder(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    assert subprocess.run([sys.executable, "-c", WRITER, str(path), "die"], timeout=60).returncode != 0
    assert not path.exists()
    assert len(os.listdir(tmp_path)) == 1
    with new_folder(path) as draft:
        (draft / "whole").touch()
    assert sorted(os.listdir(path)) == [LIST, "whole"]
    assert os.listdir(tmp_path) == ["folder"]  # the dead one's draft went too


def test_the_draft_of_a_living_writer_stays(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    words = [sys.executable, "-c", WRITER, str(path), "wait"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "half\n"
        with new_folder(path) as draft:
            (draft / "mine").touch()
        assert sorted(os.listdir(path)) == [LIST, "mine"]
        other.communicate("", timeout=60)
    assert other.returncode == 0
    assert sorted(os.listdir(path)) == [LIST, "half"]  # it ended last
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_that_a_killed_writer_put_aside_comes_back(tmp_path: Path) -> None:
    path, aside = tmp_path / "folder", tmp_path / ".folder.123.old"
    with new_folder(path) as draft:
        (draft / "old").touch()
    path.rename(aside)  # as on systems that cannot swap two names

    def fail() -> None:
        with new_folder(path):
            assert sorted(os.listdir(path)) == [LIST, "old"]
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        fail()
    assert sorted(os.listdir(path)) == [LIST, "old"]
    shutil.copytree(path, aside)  # killed later, with the new one in place
    with new_folder(path) as draft:
        (draft / "new").touch()
    assert os.listdir(tmp_path) == ["folder"]
    assert sorted(os.listdir(path)) == [LIST, "new"]


def test_what_somebody_put_into_a_folder_that_was_put_aside_stays(tmp_path: Path) -> None:
    aside = tmp_path / ".folder.123.old"
    aside.mkdir()
    (aside / "thesis").write_text("years of work")
    (tmp_path / "folder").mkdir()
    with new_folder(tmp_path / "folder") as draft:
        (draft / "new").touch()
    assert (aside / "thesis").read_text() == "years of work"


def test_what_was_left_of_a_folder_with_a_longer_name_stays(tmp_path: Path) -> None:
    (tmp_path / ".folder.more.123.old").mkdir()
    with new_folder(tmp_path / "folder"):
        assert os.listdir(tmp_path / ".folder.more.123.old") == []
        assert not (tmp_path / "folder").exists()
    assert (tmp_path / ".folder.more.123.old").exists()


@pytest.mark.parametrize(
    ("content", "message"), [(None, "does not exist"), (b"{", "not valid JSON"), (b"\xff", "not valid JSON")]
)
def test_a_missing_or_damaged_file_is_a_clear_error(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_json(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory; name a JSON file"):
        read_json(tmp_path)


def test_sha256_is_the_standard_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_work_that_fails_at_once_leaves_folders_as_they_were(tmp_path: Path) -> None:
    with pytest.raises(DataError), only_here(tmp_path / "new", "search"):
        raise DataError("no such thing")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    with pytest.raises(DataError), only_here(tmp_path / "old", "search"):
        raise DataError("no such thing")
    assert (tmp_path / "old").exists()


def test_json_nested_without_end_is_said_to_be_no_json(tmp_path: Path) -> None:
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(DataError, match="not valid JSON"):
        read_json(tmp_path / "deep.json")


def test_the_draft_of_a_killed_process_goes_with_the_next_one(tmp_path: Path):
    path = tmp_path / "x.json"
    drafts = [tmp_path / f".x.json.{n:08x}.tmp" for n in range(3)]
    others = [tmp_path / ".x.json.notes.tmp", tmp_path / ".y.json.00000000.tmp", tmp_path / "x.json.00000000.tmp"]
    for file in (*drafts, *others):
        file.write_bytes(b"half")
    for file in (drafts[0], drafts[1], *others):
        os.utime(file, (0, 0))
    with held(drafts[1]):  # by a process that still writes; the third is too young to tell
        write_bytes(path, b"whole")
    assert sorted(tmp_path.iterdir()) == sorted([path, *drafts[1:], *others])
