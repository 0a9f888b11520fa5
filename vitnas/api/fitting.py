"""Predictors: fitted to archs that a supernet evaluates, and read again."""

from __future__ import annotations

from pathlib import Path

from vitnas.api.loading import run_of
from vitnas.api.telling import teller
from vitnas.errors import SettingsError
from vitnas.interruption import going_on
from vitnas.nas import fit_predictor as fitting
from vitnas.nas.fit_predictor import PREDICTOR_FILE, PredictorFit
from vitnas.predictors import load_predictor
from vitnas.run import RunFolder


def fit_predictor(
    run: RunFolder | str | Path | None = None,
    samples: int = 200,
    *,
    predictor: str = "auto",
    quantity: str = "accuracy",
    tune_seconds: float = 0.0,
    seed: int = 0,
    workers: int = 1,
    ray_address: str | None = None,
    folder: str | Path | None = None,
    progress: bool = False,
) -> PredictorFit:
    """Evaluates archs with the supernet of a run, fits a predictor to them, and reports how well it ranks.

    Killed at any moment, the same call goes on where it stopped.

    Args:
        run: whose supernet evaluates; None takes the newest run below ``runs/``.
        samples: archs to evaluate, spread from the smallest to the largest.
        predictor: a name from `list_predictors`.
        quantity: what to learn, accuracy or loss.
        tune_seconds: how long "auto" may vary options, in all.
        seed: of the archs.
        workers: Ray workers; 1 stays in this process. The result does not depend on it.
        ray_address: Ray cluster to join.
        folder: of the predictor; by default ``predictor`` in the run.
        progress: shows a bar, and prints what is said to standard error.
    """
    if workers < 1:
        raise SettingsError(f"cannot work with {workers} workers; give at least 1")
    if quantity not in ("accuracy", "loss"):
        raise SettingsError(f"quantity '{quantity}': a supernet tells accuracy or loss")
    opened = run_of(run, teller(progress))
    with going_on("the archs evaluated so far are kept; the same command goes on"):
        return fitting.fit_predictor(
            opened,
            samples,
            predictor=predictor,
            quantity=quantity,
            tune_seconds=tune_seconds,
            seed=seed,
            workers=workers,
            ray_address=ray_address,
            folder=Path(folder) if folder is not None else None,
            progress=progress,
        )


def load_fit(
    run: RunFolder | str | Path | None = None, *, folder: str | Path | None = None, progress: bool = False
) -> PredictorFit:
    """How a fitted predictor does on archs that it had not seen; refuses one that could not be used.

    Args:
        run: that the predictor was fitted to; None takes the newest run below ``runs/``.
        folder: of the predictor; by default ``predictor`` in the run.
        progress: prints what is said to standard error.
    """
    opened = run_of(run, teller(progress))
    place = fit_folder(opened, folder)
    found = PredictorFit.load(place)
    load_predictor(place / PREDICTOR_FILE, opened.space)
    return found


def fit_folder(run: RunFolder, folder: str | Path | None) -> Path:
    """Where the predictor of a run lies unless a folder is given."""
    return Path(folder) if folder is not None else run.path / "predictor"
