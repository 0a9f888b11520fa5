"""Files are small and folders can be taken in at a glance, as CONTRIBUTING.md asks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from statistics import median

import vitnas

HOME = Path(vitnas.__file__).parent
FILES = [path.relative_to(HOME) for path in HOME.rglob("*.py")]
LINES = {path.as_posix(): len((HOME / path).read_text().splitlines()) for path in FILES}

LONGEST = 300
MEDIAN = 110
MOST = 20
EQUALS = {
    "commands": "one file each command",
    "nas/searchers": "one file each searcher",
    "predictors/proxies": "one file each training-free score",
    "search_spaces/published": "one file each published space",
    "supernets/layers": "one file each kind of layer",
    "supernets/mixers": "one file each mixer",
}
"""Folders of equals, whose names are looked up in a table: they may grow with it."""


def test_no_file_is_long():
    assert {name: lines for name, lines in LINES.items() if lines > LONGEST} == {}


def test_most_files_are_read_in_a_minute():
    assert median(LINES.values()) <= MEDIAN


def test_folders_can_be_taken_in_at_a_glance():
    found = Counter(path.parent.as_posix() for path in FILES)
    assert {folder: count for folder, count in found.items() if count > MOST and folder not in EQUALS} == {}


def test_folders_of_equals_exist():
    assert {folder for folder in EQUALS if not (HOME / folder).is_dir()} == set()
