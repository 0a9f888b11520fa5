"""Tables for the terminal: quiet lines, numbers to the right, no folding when piped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table

PIPED_WIDTH = 200


def console() -> Console:
    """Standard output: as wide as the terminal, or wide enough for whole lines when piped."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=PIPED_WIDTH)


def print_table(
    text: Sequence[str],
    numbers: Sequence[str],
    rows: Iterable[Sequence[str]],
    total: Sequence[str] = (),
    on: Console | None = None,
) -> None:
    """Prints rows of cells: first the columns of text, then those of numbers, then a line of totals."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1))
    for position, name in enumerate(text):
        table.add_column(name, overflow="fold", no_wrap=position == 0)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    if total:
        table.add_section()
        table.add_row(*total, style="bold")
    (on or console()).print(table)
