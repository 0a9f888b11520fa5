"""The look of every picture, and how it becomes a file. Matplotlib is imported on first use."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitnas.errors import VitnasError
from vitnas.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which people with any colour vision can tell apart, darkest first.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK = "#222222"
FAINT = "#6b6b6b"
SUFFIXES = (".png", ".svg")

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same picture on every machine
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text stays text: it can be searched, selected and read aloud
    "svg.hashsalt": "vitnas",  # the same figure gives the same bytes
}


@contextmanager
def style() -> Iterator[None]:
    """Within it, figures are made and saved in the house's look."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def check_suffix(path: Path) -> Path:
    """The same path, or an error before anything is drawn."""
    if path.suffix.lower() not in SUFFIXES:
        raise VitnasError(f"cannot draw '{path}': its name must end in {' or '.join(SUFFIXES)}")
    return path


def save_figure(figure: Figure, path: Path) -> None:
    """Writes a PNG (200 dpi) or SVG as the suffix says, in one step and without a date."""
    kind = check_suffix(path).suffix.lower()[1:]
    content = io.BytesIO()
    figure.savefig(content, format=kind, dpi=200, metadata={"Date": None} if kind == "svg" else {"Software": None})
    write_bytes(path, content.getvalue())
