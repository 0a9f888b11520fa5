"""Long work shows what is done and what is left: a bar in a terminal, a line a minute in a file, nothing unless asked."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from vitnas import progress
from vitnas.progress import Bar, in_words


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when it is told to."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_a_file_gets_a_line_a_minute(capsys, clock):
    with Bar("training", 1200, shown=True) as bar:
        bar.tell("1,200 steps")
        for _ in range(40):
            clock(10)
            bar.update(done=bar.done + 10, note="loss 1.234")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1,200 steps"
    assert lines[1] == "training 10 of 1,200, about 20 minutes left, loss 1.234"
    assert len(lines) == 1 + 7  # after ten seconds, then six minutes
    assert lines[-1] == "training 370 of 1,200, about 14 minutes left, loss 1.234"


def test_what_was_done_before_says_nothing_of_the_speed(clock):
    bar = Bar("training", 1000, shown=True, done=900)
    with bar:
        clock(60)
        bar.advance(10)
        assert bar.line() == "training 910 of 1,000, about 9 minutes left"


def test_of_an_amount_the_share_is_shown(clock):
    with Bar("rung 1 of 2", 0.5, shown=True, counted=False) as bar:
        clock(100)
        bar.update(done=0.25)
        assert bar.line() == "rung 1 of 2 50%, about 2 minutes left"


def test_nothing_is_shown_unless_asked(capsys, clock):
    with Bar("training", 10, shown=False) as bar:
        bar.tell("something")
        clock(1000)
        bar.advance()
    assert capsys.readouterr() == ("", "")


def test_a_terminal_gets_a_bar_whose_steps_and_time_stay(capsys, monkeypatch):
    monkeypatch.setattr(Console, "is_terminal", True)
    monkeypatch.setenv("COLUMNS", "80")
    with Bar("training", 100_000, shown=True) as bar:
        bar.update(done=500, note="loss 1.234 5432 images/s " + "largest 98.7 % " * 9)
        bar._drawn.refresh()
    told = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    lines = [line for line in re.split(r"[\r\n]+", told) if "500/100000" in line]
    assert lines
    for line in lines:
        assert len(line) <= 80
        assert re.search(r"-:--:--|\d+:\d\d:\d\d", line)
    assert any("loss 1.234" in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"), (49, "less than a minute"), (55, "about 1 minute"), (2520, "about 42 minutes"),
        (5400, "about 2 hours"), (86_400, "about 24 hours"), (200_000, "about 2 days"),
    ],
)  # fmt: skip
def test_times_are_round(seconds, words):
    assert in_words(seconds) == words
