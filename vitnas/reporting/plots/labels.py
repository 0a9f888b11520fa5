"""Labels on a plot, each where it hides the least."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.reporting.plots.figure import INK

# Below and to the right first: that side of a Pareto front is where nothing good lies.
_DIRECTIONS = (
    (1, -1),
    (1, -0.4),
    (0.4, -1),
    (0, -1),
    (1, 0.4),
    (-1, 1),
    (0, 1),
    (-1, -1),
    (1, 1),
    (-1, 0.4),
    (1, 0),
    (-1, 0),
)
_DISTANCES = (22, 34, 50, 70, 95)


def place_labels(
    axes: Any,
    anchors: NDArray[np.float64],
    texts: list[str],
    lines: NDArray[np.float64],
    dots: NDArray[np.float64],
) -> None:
    """Writes each text near its anchor, off the lines, the other texts and, if possible, the dots.

    Args:
        axes: drawn already, with its final limits.
        anchors: ``(n, 2)`` in data coordinates.
        texts: n labels.
        lines: ``(m, 2)`` points in data coordinates that must stay visible.
        dots: ``(k, 2)`` points of which some may hide.
    """
    from matplotlib.text import Text

    renderer = axes.figure.canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    lines_px, dots_px = axes.transData.transform(lines), axes.transData.transform(dots)
    taken: list[Any] = []
    for anchor, text in zip(anchors, texts, strict=True):
        best: tuple[float, Any, Any] | None = None
        for distance, (right, up) in itertools.product(_DISTANCES, _DIRECTIONS):
            note = axes.annotate(
                text,
                anchor,
                xytext=(right * distance, up * distance),
                textcoords="offset points",
                ha="left" if right > 0.2 else "right" if right < -0.2 else "center",
                va="bottom" if up > 0.2 else "top" if up < -0.2 else "center",
                fontsize=9,
                color=INK,
                zorder=6,
                bbox={"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "none", "alpha": 0.9},
                arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8, "shrinkA": 0, "shrinkB": 6},
            )
            note.update_positions(renderer)
            box = Text.get_window_extent(note, renderer).padded(6)  # the text without its leader line
            clashes = sum(box.overlaps(other) for other in taken)
            outside = not (frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1)
            hidden = 20 * _count_in(box, lines_px) + _count_in(box, dots_px)
            cost = hidden + 1000 * (clashes + outside) + distance / 5
            if best is None or cost < best[0]:
                if best is not None:
                    best[1].remove()
                best = (cost, note, box)
            else:
                note.remove()
        assert best is not None
        taken.append(best[2])


def _count_in(box: Any, points_px: NDArray[np.float64]) -> int:
    return int(np.count_nonzero(((points_px >= box.min) & (points_px <= box.max)).all(axis=1)))
