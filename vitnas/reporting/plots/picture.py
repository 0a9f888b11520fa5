"""A figure that keeps the look of the house, however it is saved or shown. Imported on first use, for matplotlib's sake."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vitnas.reporting.plots.figure import style

SHOWN_DPI = 80


class Picture(Figure):
    """A matplotlib figure that a notebook shows by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        FigureCanvasAgg(self)

    def savefig(self, *args: Any, **kwargs: Any) -> None:
        """As that of matplotlib, in the look in which the figure was made."""
        with style():
            super().savefig(*args, **kwargs)

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=SHOWN_DPI)
        return content.getvalue()
