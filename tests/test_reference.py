"""docs/reference says what the code says."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from pathlib import Path

import pytest

from vitnas import commands
from vitnas.settings import TABLES, Settings

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


def test_every_table_that_a_command_takes_may_stand_in_a_settings_file() -> None:
    modules = [
        importlib.import_module(f"vitnas.commands.{found.name}") for found in pkgutil.iter_modules(commands.__path__)
    ]
    taken = {
        value.table
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Settings) and value is not Settings
    }
    assert taken == set(TABLES) == set(reference.TABLES)
