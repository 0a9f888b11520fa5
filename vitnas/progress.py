"""How long work shows on standard error: a bar with the time left in a terminal, a line a minute in a file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

EVERY_S = 60.0
"""Seconds between two lines where there is no terminal."""
FIRST_S = 10.0
"""Seconds after which the first of them comes, when the speed is known."""
WIDTH = 20


class Bar:
    """What is done of some work, how much there is, and when it will be done.

    The work is a number of things, or an amount such as seconds of which only the share is shown.
    """

    def __init__(
        self, what: str, total: float, shown: bool, *, done: float = 0, counted: bool = True, passing: bool = False
    ) -> None:
        """Shows nothing yet.

        Args:
            what: is being done.
            total: of the work.
            shown: nothing is ever shown without.
            done: before now.
            counted: whether the work is a number of things.
            passing: whether a bar goes away when the work is done.
        """
        self.what, self.total, self.done = what, total, done
        self.note = ""
        self._shown, self._counted, self._passing = shown, counted, passing
        self._drawn: Any = None
        self._task: Any = None
        self._begun = self._told = 0.0
        self._before = done

    def __enter__(self) -> Self:
        if self._shown:
            self._begun = time.monotonic()
            self._told = self._begun + FIRST_S - EVERY_S
            self._draw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn.stop()
            self._drawn = None

    def advance(self, amount: float = 1) -> None:
        """So much more is done."""
        self.update(done=self.done + amount)

    def update(
        self,
        *,
        done: float | None = None,
        total: float | None = None,
        what: str | None = None,
        note: str | None = None,
    ) -> None:
        """What has changed: what is done in all, of how much, what it is called now, and a note beside it."""
        self.done = self.done if done is None else done
        self.total = self.total if total is None else total
        self.what = self.what if what is None else what
        self.note = self.note if note is None else note
        if self._drawn is not None:
            self._drawn.update(
                self._task, completed=self.done, total=self.total, description=self.what, note=self._fitting_note()
            )
        elif self._shown and time.monotonic() - self._told >= EVERY_S:
            self._told = time.monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def tell(self, text: str) -> None:
        """A line of its own, above the bar."""
        if self._drawn is not None:
            self._drawn.console.print(text, highlight=False, markup=False)
        elif self._shown:
            print(text, file=sys.stderr, flush=True)

    def line(self) -> str:
        """The state in words."""
        share = (
            f"{self.done:,.0f} of {self.total:,.0f}" if self._counted else f"{self.done / max(self.total, 1e-9):.0%}"
        )
        left = self._left_s()
        return ", ".join(
            text for text in (f"{self.what} {share}", f"{in_words(left)} left" if left else "", self.note) if text
        )

    def _left_s(self) -> float | None:
        made, took = self.done - self._before, time.monotonic() - self._begun
        return took / made * (self.total - self.done) if made > 0 else None

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        if not (console.is_terminal or console.is_jupyter):
            return
        amount = MofNCompleteColumn() if self._counted else TaskProgressColumn()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(WIDTH),
            amount,
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        self._drawn = Progress(*columns, console=console, transient=self._passing)
        self._task = self._drawn.add_task(self.what, total=self.total, completed=self.done, note="")
        self._drawn.start()

    def _fitting_note(self) -> str:
        """As much of the note as the line has room for: what is done and the time left stay."""
        digits = 2 * len(f"{self.total:.0f}") + 1 if self._counted else 4
        room = self._drawn.console.width - len(self.what) - WIDTH - digits - len("0:00:00") - 4
        return self.note if len(self.note) <= room else self.note[: max(0, room - 1)] + "…" if room > 1 else ""


def in_words(seconds: float) -> str:
    """About how long that is: ``42 minutes``."""
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 1.5 * size or (size == 60 and seconds >= 50):
            number = round(seconds / size)
            return f"about {number} {name}{'' if number == 1 else 's'}"
    return "less than a minute"


__all__ = ["Bar", "in_words"]
