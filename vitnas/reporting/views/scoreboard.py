"""A network against its baselines, in a notebook."""

from __future__ import annotations

import pandas as pd

from vitnas.automation.scoreboard import COLUMNS, Scoreboard, rows
from vitnas.display import View
from vitnas.reporting.plots.scoreboard_plot import plot_scoreboard
from vitnas.reporting.views.page import block


def to_frame(board: Scoreboard) -> pd.DataFrame:
    """A row a network, the one that was found first."""
    return pd.DataFrame(
        [
            {
                "space": line.space,
                "image_size": line.image_size,
                "arch": line.arch_id,
                "accuracy": line.accuracy,
                "accuracy_low": line.interval[0],
                "accuracy_high": line.interval[1],
                **{f"latency_ms@{device}": ms for device, ms in line.ms.items()},
                "num_params": line.num_params,
                "minutes": line.minutes,
            }
            for line in board.lines
        ],
        index=pd.Index([line.role for line in board.lines], name="network"),
    )


def to_html(board: Scoreboard) -> str:
    table = pd.DataFrame([cells[1:] for cells in rows(board)], columns=COLUMNS[1:], index=[c[0] for c in rows(board)])
    title = f"{board.dataset}, {board.num_images:,} {board.split} images"
    return block(title, table, [f"{sentence}." for sentence in board.verdict()])


VIEW = View(to_frame, plot_scoreboard, to_html)
