"""docs/reference says what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from vitnas.settings import TABLES

ROOT = Path(__file__).parents[1]
spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
assert spec is not None
assert spec.loader is not None
reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(reference)


@pytest.mark.parametrize(
    ("file", "page"),
    [
        ("commands.md", reference.commands_page),
        ("layers.md", reference.layers_page),
        ("settings.md", reference.settings_page),
    ],
)
def test_the_page_is_what_the_code_gives(file: str, page: object) -> None:
    assert callable(page)
    assert (reference.FOLDER / file).read_text() == page(), "run `make reference`"


def test_every_table_of_settings_has_its_keys() -> None:
    assert tuple(reference.TABLES) == TABLES


def test_every_command_shows_an_example_of_itself() -> None:
    for name, command in reference._leaves(reference.typer.main.get_command(reference.app), ""):
        assert f"Example: vitnas {name}" in command.help, name
