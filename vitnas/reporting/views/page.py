"""The parts of what a notebook shows: a title, a table, and notes under it."""

from __future__ import annotations

import html
from collections.abc import Sequence

import pandas as pd

MOST_ROWS = 30
"""Longer tables show their first and last rows."""


def block(title: str, table: pd.DataFrame, notes: Sequence[str] = (), index: bool = True) -> str:
    """A titled table with notes; whatever names hold is text and no markup."""
    shown = table.to_html(max_rows=MOST_ROWS, index=index, border=0, na_rep="")
    lines = "".join(f"<div>{html.escape(note)}</div>" for note in notes)
    return f"<div><strong>{html.escape(title)}</strong>{shown}{lines}</div>"


def pairs(title: str, facts: Sequence[tuple[str, str]], notes: Sequence[str] = ()) -> str:
    """A titled list of facts."""
    table = pd.DataFrame({"": [value for _, value in facts]}, index=[name for name, _ in facts])
    return block(title, table, notes)
