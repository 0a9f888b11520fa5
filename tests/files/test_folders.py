"""A folder is replaced only if vitnas wrote all that is in it; nothing is ever reached through a link."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vitnas.errors import ForeignFilesError
from vitnas.files import as_listed, foreign, listed, new_folder, refuse_foreign, remove_folder, write_json
from vitnas.files import folders as module
from vitnas.files.lists import LIST


def make(path: Path, text: str = "old") -> Path:
    with new_folder(path) as draft:
        (draft / "part").mkdir()
        (draft / "part" / "deep.bin").write_text(text)
        (draft / "file").write_text(text)
    return path


def tree(folder: Path) -> dict[str, str]:
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(params=["swapped", "renamed"])
def path(request, tmp_path, monkeypatch) -> Path:
    """A folder of ours, where the system can swap two names, and where it cannot."""
    if request.param == "renamed":
        monkeypatch.setattr(module, "_exchange", lambda one, other: False)
    return make(tmp_path / "folder")


def test_a_folder_lists_its_files(path):
    assert set(listed(path)) == {"file", "part/deep.bin"}
    assert foreign(path, listed(path)) == []


def add_a_file(path):
    (path / "thesis.md").write_text("years of work")
    return "thesis.md"


def add_below(path):
    (path / "part" / "notes").write_text("mine")
    return "part/notes"


def edit(path):
    (path / "file").write_text("edited")
    return "file"


def link(path):
    (path / "file").unlink()
    (path / "file").symlink_to(path.parent / "elsewhere")
    return "file"


def link_a_folder(path):
    (path / "more").symlink_to(path.parent)
    return "more"


def an_empty_folder(path):
    (path / "to do").mkdir()
    return "to do/"


def a_pipe(path):
    os.mkfifo(path / "pipe")
    return "pipe"


@pytest.mark.parametrize("change", [add_a_file, add_below, edit, link, link_a_folder, an_empty_folder, a_pipe])
def test_what_is_foreign_or_changed_is_named_and_stays(path, change):
    (path.parent / "elsewhere").write_text("elsewhere")
    name = change(path)
    before = tree(path.parent)
    with pytest.raises(ForeignFilesError, match=f"holds '{name}', which vitnas did not write, or that changed since"):
        make(path, "new")
    assert tree(path.parent) == before
    assert len(os.listdir(path.parent)) == 2


def test_what_comes_while_a_draft_is_filled_stays(path):
    def replace() -> None:
        with new_folder(path) as draft:
            (draft / "file").write_text("new")
            add_a_file(path)

    with pytest.raises(ForeignFilesError, match=r"thesis\.md"):
        replace()
    assert tree(path)["thesis.md"] == "years of work"
    assert tree(path)["file"] == "old"


def test_what_comes_at_the_last_moment_is_put_beside(path, monkeypatch):
    def refuse_late(folder, ours):
        refuse_foreign(folder, ours)
        add_a_file(folder)

    monkeypatch.setattr(module, "refuse_foreign", refuse_late)
    with pytest.warns(UserWarning, match="folder.kept1' holds what came into"):
        make(path, "new")
    assert tree(path)["file"] == "new"
    assert tree(path.parent / "folder.kept1") == {"thesis.md": "years of work"}
    assert len(os.listdir(path.parent)) == 2


def test_a_link_is_never_followed(path):
    other = path.rename(path.parent / "other")
    path.symlink_to(other)
    before = tree(other)
    with pytest.raises(ForeignFilesError, match="is a link, and vitnas replaces none"):
        refuse_foreign(path)
    with pytest.raises(Exception, match="is a link"):
        make(path, "new")
    assert tree(other) == before
    assert not remove_folder(path)
    assert tree(other) == before


@pytest.mark.parametrize("names", [["../thesis"], ["/etc/hostname"], ["part/../../thesis"]])
def test_a_list_that_names_what_lies_elsewhere_reaches_nothing(path, names):
    (path.parent / "thesis").write_text("years of work")
    data = {"format": "vitnas-folder/1", "files": dict.fromkeys([*names, *listed(path)], None)}
    write_json(path / LIST, data)
    remove_folder(path)
    assert (path.parent / "thesis").exists()


def test_a_damaged_list_is_none(path):
    (path / LIST).write_text((path / LIST).read_text().replace("file", "fill"))
    assert listed(path) is None
    with pytest.raises(ForeignFilesError, match=f"did not write: it left no whole {LIST} there"):
        make(path, "new")


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "folder").mkdir()
    make(tmp_path / "folder", "new")
    assert tree(tmp_path / "folder")["file"] == "new"
    assert os.listdir(tmp_path) == ["folder"]


REPLACER = """
import sys
from pathlib import Path
from vitnas.files import new_folder
for i in range(10**6):
    with new_folder(Path(sys.argv[1])) as draft:
        for name in 'abc':
            (draft / name).write_text(str(i))
    print(i, flush=True)
"""


def test_parts_of_a_folder_are_held_against_its_list(path):
    assert as_listed(path / "file")
    assert as_listed(path / "part")
    edit(path)
    assert not as_listed(path / "file")
    assert as_listed(path / "part")
    (path / "part" / "deep.bin").unlink()
    assert not as_listed(path / "part")
    (path / LIST).unlink()
    assert as_listed(path / "part")  # nothing says otherwise


def test_killed_at_any_moment_one_whole_folder_is_there(tmp_path):
    path, rng = tmp_path / "folder", random.Random(0)
    make(path)
    for _ in range(8):
        child = subprocess.Popen([sys.executable, "-c", REPLACER, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(rng.random() / 20)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        if sys.platform == "linux":
            assert foreign(path, listed(path)) == []
            assert len({(path / name).read_text() for name in "abc"}) == 1
    make(path, "new")
    assert tree(path)["file"] == "new"
    assert os.listdir(tmp_path) == ["folder"]  # and nothing of the killed ones


def test_the_list_is_json_that_others_read(path):
    assert json.loads((path / LIST).read_text())["format"] == "vitnas-folder/1"
