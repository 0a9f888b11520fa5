"""The network against its baselines: accuracy with its interval, a line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.automation.scoreboard import NETWORK, Line, Scoreboard
from vitnas.quantities import format_limits
from vitnas.reporting.plots.figure import FAINT, PALETTE, style

if TYPE_CHECKING:
    from vitnas.reporting.plots.picture import Picture


def plot_scoreboard(board: Scoreboard) -> Picture:
    """Draws the accuracies, the network's on top."""
    from vitnas.reporting.plots.picture import Picture

    with style():
        figure = Picture(figsize=(7.2, 1.5 + 0.75 * len(board.lines)), layout="constrained")
        axes = figure.add_subplot()
        for place, line in enumerate(board.lines):
            colour = PALETTE[0] if line.role.startswith(NETWORK) else FAINT
            low, high = (100 * end for end in line.interval)
            axes.plot([low, high], [place, place], color=colour, linewidth=3, solid_capstyle="round")
            axes.plot(100 * line.accuracy, place, "o", color=colour, markersize=9)
            axes.annotate(
                f"{line.accuracy:.1%}", (100 * line.accuracy, place), (0, 9), textcoords="offset points", ha="center"
            )
        axes.set_yticks(range(len(board.lines)), [_name(line) for line in board.lines])
        axes.set_ylim(len(board.lines) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"% of {board.num_images:,} {board.split} images named right, with the interval at 95 %")
        axes.set_title(f"{board.dataset} within {format_limits(board.limits)}", loc="left", fontweight="bold")
    return figure


def _name(line: Line) -> str:
    ms = ", ".join(f"{ms:.2f} ms" for ms in line.ms.values())
    return f"{line.role}\n{line.space}, {line.image_size} px, {ms}"
