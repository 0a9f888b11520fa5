"""The network against the baselines, on images that nothing was learnt from or chosen by."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from vitnas.display import Shown
from vitnas.files import write_bytes, write_json
from vitnas.quantities import format_limits
from vitnas.supernets.judgement import NORMAL_95, with_interval

SCOREBOARD, CARD, PICTURE, PAGE = "scoreboard.json", "README.md", "scoreboard.png", "report.html"
Right = NDArray[np.bool_]
"""One answer an image."""
NETWORK = "network"
"""The role of what was found, and the folder that it lies in."""


@dataclass(frozen=True)
class Line:
    """A network of the table.

    Attributes:
        role: "network", or the baseline that it is.
        space: of its arch.
        image_size: that it looks at.
        arch_id: of its arch.
        accuracy: on the images of `split`.
        interval: of the accuracy, at 95 %.
        ms: device -> milliseconds.
        num_params: of the network.
        minutes: of computing time for all that led to it.
        published: the name under which its arch was published, if it was.
    """

    role: str
    space: str
    image_size: int
    arch_id: str
    accuracy: float
    interval: tuple[float, float]
    ms: Mapping[str, float]
    num_params: int
    minutes: float
    published: str | None = None


@dataclass(frozen=True)
class Scoreboard(Shown, view="scoreboard"):
    """What a search came to.

    Attributes:
        dataset: its name.
        split: "test", or "validation" where no test images are kept.
        num_images: of that split.
        limits: device -> the most milliseconds.
        lines: the network first.
        ahead: baseline -> by how many points the network is ahead, and the 95 % interval of that.
    """

    dataset: str
    split: str
    num_images: int
    limits: Mapping[str, float]
    lines: tuple[Line, ...]
    ahead: Mapping[str, tuple[float, float, float]]

    def verdict(self) -> list[str]:
        """A sentence a baseline, as plain where the network is behind."""
        return [f"{_told(points, low, high)} the baseline '{name}'" for name, (points, low, high) in self.ahead.items()]


def _told(points: float, low: float, high: float) -> str:
    size = f"{abs(points):.1f} points ({low:+.1f} to {high:+.1f})"
    if low > 0:
        return f"The network is better by {size} than"
    if high < 0:
        return f"The network is worse by {size} than"
    return f"The network cannot be told apart, by {size}, from"


def ahead(ours: Right, theirs: Right) -> tuple[float, float, float]:
    """By how many points one network is ahead of another on the same images, and the 95 % interval.

    Only images that one names right and the other does not tell anything, so the pairs are what varies.
    """
    n = len(ours)
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    mean = (wins - losses) / n
    spread = max((wins + losses) / n - mean**2, 1 / n)
    half = NORMAL_95 * math.sqrt(spread / n)
    return 100 * mean, 100 * (mean - half), 100 * (mean + half)


def rows(board: Scoreboard) -> list[list[str]]:
    """Cells of the table: network, arch, accuracy, milliseconds, parameters, minutes."""
    return [
        [
            line.role,
            f"{line.space} {line.published or line.arch_id}, {line.image_size} px",
            with_interval(line.accuracy, line.interval),
            ", ".join(f"{ms:.2f} ms on {device}" for device, ms in line.ms.items()),
            f"{line.num_params / 1e6:.2f}M",
            f"{line.minutes:.1f}",
        ]
        for line in board.lines
    ]


COLUMNS = ("", "arch", "accuracy", "latency", "parameters", "minutes")


Paint = Callable[[Scoreboard, Path], None]
"""Draws a table into a file."""


def write_scoreboard(
    board: Scoreboard,
    folder: Path,
    networks: Sequence[Path],
    commands: Sequence[str] = (),
    has_picture: bool = False,
    has_page: bool = False,
) -> None:
    """Writes `scoreboard.json` and `README.md` with the table and the verdict.

    Args:
        board: the table.
        folder: for both files.
        networks: folders of the exported networks, within that one.
        commands: that a user would give for the same network.
        has_picture: whether the picture lies there.
        has_page: whether `PAGE` does.
    """
    write_json(folder / SCOREBOARD, msgspec.to_builtins(board))
    table = ["| " + " | ".join(cells) + " |" for cells in (COLUMNS, ["---"] * len(COLUMNS), *rows(board))]
    text = [
        f"# {'A network' if len(networks) == 1 else f'{len(networks)} networks'} for {board.dataset} within {format_limits(board.limits)}",
        "",
        f"Accuracy on {board.num_images} {board.split} images, with the interval at 95 %; minutes of computing time for all that led to a network.",
        "",
        *table,
        "",
        *([f"![The network against the baselines]({PICTURE})", ""] if has_picture else []),
        *(f"{sentence}." for sentence in board.verdict()),
        "",
        f"Files and cards are in {', '.join(f'`{network}/`' for network in networks)}.",
        *(
            ["", f"[All that was found, as a page]({PAGE}): the plan, who stood where, the trainings."]
            if has_page
            else []
        ),
        "",
        *(["The same steps one by one:", "", "```sh", *commands, "```", ""] if commands else []),
    ]
    write_bytes(folder / CARD, "\n".join(text).encode())
