"""Reports, comparisons and pictures of what lies on the disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vitnas.api.loading import run_of
from vitnas.api.telling import teller
from vitnas.reporting.page.html import write_page
from vitnas.reporting.page.page_data import describe_page
from vitnas.reporting.plots.comparison import describe_comparison
from vitnas.reporting.plots.pictures import PlotRequest, draw, guess, named_results
from vitnas.run import RunFolder


def report(
    source: RunFolder | str | Path | None = None, out: str | Path | None = None, *, progress: bool = False
) -> Path:
    """Writes one HTML page of all that was found, which works offline.

    Args:
        source: a run, a search folder or a front.json; None takes the newest run below ``runs/``.
        out: the page; by default report.html in the folder.
        progress: prints what is said to standard error.

    Returns:
        The page.
    """
    path = path_of(source, progress)
    page = Path(out) if out is not None else (path if path.is_dir() else path.parent) / "report.html"
    write_page(describe_page(path), page)
    return page


def compare(paths: Sequence[str | Path]) -> dict[str, Any]:
    """Compares searches or devices: fronts, hypervolume, and what changed.

    Args:
        paths: runs, search folders or front.json files, the first to begin with.
    """
    return describe_comparison(named_results([Path(path) for path in paths]))


def plot(
    paths: RunFolder | str | Path | Sequence[str | Path] | None = None,
    what: str | None = None,
    *,
    out: Sequence[str | Path] = (),
    title: str = "",
    baselines: str | Path | None = None,
    space: str | None = None,
    progress: bool = False,
) -> list[Path]:
    """Draws fronts, their growth and genes, the error of a table or predictor, or the layers of an arch, to files.

    Args:
        paths: runs, search folders, front.json files, a latency table, a predictor or an arch; None takes the newest
            run below ``runs/``.
        what: front, hypervolume, genes, fidelity, predictor or arch; None draws what the file shows best.
        out: pictures to write, .png or .svg; by default WHAT.png.
        title: above the picture.
        baselines: CSV or JSON of other networks to mark: name, accuracy, latency_ms ...
        space: file of the space, when an arch is of a space of your own.
        progress: prints what is said to standard error.

    Returns:
        The pictures.
    """
    if paths is None or isinstance(paths, RunFolder | str | Path):
        given = [path_of(paths, progress)]
    else:
        given = [Path(path) for path in paths]
    kind = what or guess(given[0])
    pictures = [Path(path) for path in out] or [Path(f"{kind}.png")]
    draw(kind, PlotRequest(given, pictures, title, space, Path(baselines) if baselines is not None else None))
    return pictures


def path_of(source: RunFolder | str | Path | None, progress: bool) -> Path:
    """The path itself, or the folder of a run; without one, that of the newest run."""
    if source is None or isinstance(source, RunFolder):
        return run_of(source, teller(progress)).path
    return Path(source)
