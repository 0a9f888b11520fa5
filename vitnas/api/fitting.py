"""Predictors: fitted to archs that a supernet evaluates, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vitnas.api.loading import run_of
from vitnas.api.searching import compression_of
from vitnas.api.telling import teller
from vitnas.interruption import going_on
from vitnas.nas import fit_predictor as fitting
from vitnas.nas.fit_predictor import FOLDER, PREDICTOR_FILE, PredictorFit
from vitnas.nas.settings import FitSettings
from vitnas.predictors import load_predictor
from vitnas.run import RunFolder
from vitnas.search_spaces import as_named


def fit_predictor(
    run: RunFolder | str | Path | None = None,
    settings: FitSettings | None = None,
    *,
    ray_address: str | None = None,
    folder: str | Path | None = None,
    compress: bool | Sequence[str] = False,
    devices: str | Sequence[str] = "cpu",
    simulate: bool = False,
    progress: bool = False,
) -> PredictorFit:
    """Evaluates archs with the supernet of a run, fits a predictor to them, and reports how well it ranks.

    Killed at any moment, the same call goes on where it stopped.

    Args:
        run: whose supernet evaluates; None takes the newest run below ``runs/``.
        settings: how many archs are evaluated, what learns from them, and what; the defaults unless given.
        ray_address: Ray cluster to join.
        folder: of the predictor; by default ``predictor`` in the run, or ``predictor-compressed``.
        compress: whether layers have precisions too: all that the devices have in common, or those of these names.
        devices: whose precisions they are, as in `search`.
        simulate: precisions may be ones that the devices do not compute.
        progress: shows a bar, and prints what is said to standard error.
    """
    opened = run_of(run, teller(progress))
    compression = compression_of(compress, simulate)
    names = (devices,) if isinstance(devices, str) else tuple(devices)
    space = None if compression is None else compression.of(opened.space, names)
    with going_on("the archs evaluated so far are kept; the same command goes on"):
        return fitting.fit_predictor(
            opened,
            settings or FitSettings(),
            ray_address=ray_address,
            folder=Path(folder) if folder is not None else None,
            progress=progress,
            space=space,
        )


def load_fit(
    run: RunFolder | str | Path | None = None,
    *,
    folder: str | Path | None = None,
    compressed: bool = False,
    progress: bool = False,
) -> PredictorFit:
    """How a fitted predictor does on archs that it had not seen; refuses one that could not be used.

    Args:
        run: that the predictor was fitted to; None takes the newest run below ``runs/``.
        folder: of the predictor; by default ``predictor`` in the run, or ``predictor-compressed``.
        compressed: whether it is that of archs whose layers have precisions.
        progress: prints what is said to standard error.
    """
    opened = run_of(run, teller(progress))
    place = fit_folder(opened, folder, compressed)
    found = PredictorFit.load(place)
    load_predictor(place / PREDICTOR_FILE, as_named(opened.space, found.space))
    return found


def fit_folder(run: RunFolder, folder: str | Path | None, compressed: bool = False) -> Path:
    """Where the predictor of a run lies unless a folder is given."""
    return Path(folder) if folder is not None else run.path / (f"{FOLDER}-compressed" if compressed else FOLDER)
