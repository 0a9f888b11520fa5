"""`vitnas predictor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, RunPath, emit, given_run
from vitnas.errors import SettingsError
from vitnas.interruption import going_on

predictor_app = typer.Typer(no_args_is_help=True, help="Learn how good archs are from a few that are evaluated.")

Folder = Annotated[Path | None, typer.Option("--out", help="Folder of the predictor (default: RUN/predictor).")]


@predictor_app.command("fit")
def fit(
    run: RunPath = None,
    samples: Annotated[int, typer.Option(help="Archs to evaluate, spread from the smallest to the largest.")] = 200,
    predictor: Annotated[str, typer.Option(help="auto, gp, mlp, ridge or trees.")] = "auto",
    quantity: Annotated[str, typer.Option(help="What to learn: accuracy or loss.")] = "accuracy",
    tune_seconds: Annotated[float, typer.Option(min=0, help="How long auto may vary options, in all.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the archs.")] = 0,
    workers: Annotated[int, typer.Option(help="Ray workers; 1 stays in this process. Same result.")] = 1,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    out: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate archs with the supernet of a run, fit a predictor to them and report how well it ranks.

    Example: vitnas predictor fit --run runs/digits --samples 200
    """
    if workers < 1:
        raise SettingsError(f"cannot work with {workers} workers; give at least 1")
    if quantity not in ("accuracy", "loss"):
        raise SettingsError(f"--quantity {quantity}: a supernet tells accuracy or loss")
    from vitnas.nas.fit_predictor import fit_predictor
    from vitnas.reporting.terminal.predictors import describe_fit, plot_fit, print_fit

    opened = given_run(run)
    with going_on("the archs evaluated so far are kept; the same command goes on"):
        found = fit_predictor(
            opened,
            samples,
            predictor=predictor,
            quantity=quantity,
            tune_seconds=tune_seconds,
            seed=seed,
            workers=workers,
            ray_address=ray_address,
            folder=out,
        )
    folder = out or opened.path / "predictor"
    plot_fit(found, folder / "held-out.png")
    emit(describe_fit(found), as_json, print_fit)
    if not as_json:
        print(f"written to {folder}")


@predictor_app.command("report")
def report(
    run: RunPath = None,
    out: Folder = None,
    picture: Annotated[Path | None, typer.Option(help="Draw predicted against evaluated, .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how a fitted predictor does on archs it had not seen.

    Example: vitnas predictor report --run runs/digits --picture held-out.svg
    """
    from vitnas.nas.fit_predictor import PREDICTOR_FILE, PredictorFit
    from vitnas.predictors import load_predictor
    from vitnas.reporting.terminal.predictors import describe_fit, plot_fit, print_fit

    opened = given_run(run)
    folder = out or opened.path / "predictor"
    found = PredictorFit.load(folder)
    load_predictor(folder / PREDICTOR_FILE, opened.space)  # one that could not be used is told here
    if picture is not None:
        plot_fit(found, picture)
    emit(describe_fit(found), as_json, print_fit)
