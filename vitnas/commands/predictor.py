"""`vitnas predictor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Compress, Config, Precisions, RunPath, Simulate, asked_precisions, emit
from vitnas.commands.with_settings import Flags, Given, with_flags, with_settings
from vitnas.errors import SettingsError
from vitnas.nas.settings import FitSettings

predictor_app = typer.Typer(no_args_is_help=True, help="Learn how good archs are from a few that are evaluated.")

Folder = Annotated[
    Path | None,
    typer.Option(
        "--out", help="Folder of the predictor (default: RUN/predictor, with -compressed where --compress is given)."
    ),
]


@predictor_app.command("fit")
@with_flags
@with_settings(how=Flags(FitSettings, names={"loggers": "--logger"}))
def fit(
    how: Given[FitSettings],
    run: RunPath = None,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    compress: Compress = False,
    precision: Precisions = None,
    simulate: Simulate = False,
    device: Annotated[
        list[str] | None, typer.Option(help="With --compress: whose precisions; several times for several.")
    ] = None,
    out: Folder = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate archs with the supernet of a run, fit a predictor to them and report how well it ranks.

    Example: vitnas predictor fit --run runs/digits --samples 200
    """
    from vitnas.api.fitting import fit_folder, fit_predictor
    from vitnas.api.loading import run_of
    from vitnas.api.telling import teller
    from vitnas.reporting.terminal.predictors import describe_fit, plot_fit, print_fit

    compressed = asked_precisions(compress, precision)
    if device and not compressed:
        raise SettingsError("--device says whose precisions --compress chooses among; add --compress, or leave it out")
    opened = run_of(run, teller(progress=True))
    found = fit_predictor(
        opened,
        how.settings(config),
        ray_address=ray_address,
        folder=out,
        compress=compressed,
        devices=device or "cpu",
        simulate=simulate,
        progress=True,
    )
    folder = fit_folder(opened, out, bool(compressed))
    plot_fit(found, folder / "held-out.png")
    emit(describe_fit(found), as_json, print_fit)
    if not as_json:
        print(f"written to {folder}")


@predictor_app.command("report")
def report(
    run: RunPath = None,
    out: Folder = None,
    compressed: Annotated[
        bool,
        typer.Option("--compress", help="The one of archs whose layers have precisions: RUN/predictor-compressed."),
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw predicted against evaluated, .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how a fitted predictor does on archs it had not seen.

    Example: vitnas predictor report --run runs/digits --picture held-out.svg
    """
    from vitnas.api.fitting import load_fit
    from vitnas.reporting.terminal.predictors import describe_fit, plot_fit, print_fit

    found = load_fit(run, folder=out, compressed=compressed, progress=True)
    if picture is not None:
        plot_fit(found, picture)
    emit(describe_fit(found), as_json, print_fit)
