"""The page of mixers names every layer kind and every mixer of the space `mixers`."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitnas.search_spaces.published.mixer_choices import MIXERS
from vitnas.supernets.layers import LAYERS

PAGE = Path(__file__).parents[3] / "docs" / "mixers.md"
FIRST_CELLS = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("|")]


@pytest.mark.parametrize("name", sorted({*LAYERS.names(), *MIXERS}))
def test_it_stands_at_the_head_of_a_row(name: str) -> None:
    assert any(f"`{name}`" in cell for cell in FIRST_CELLS), f"add a row for '{name}' to docs/mixers.md"


@pytest.mark.parametrize("kind", LAYERS.names())
def test_a_kind_has_a_row_of_all_five_columns(kind: str) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{kind}` |")]
    assert any(line.count("|") == 6 and all(cell.strip() for cell in line.split("|")[1:-1]) for line in rows)
