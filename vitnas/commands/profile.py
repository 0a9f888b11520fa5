"""`vitnas profile`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Channels, Classes, Config, ImageSize, given_space
from vitnas.errors import SettingsError
from vitnas.quantities import parse_duration


def profile(
    run: Annotated[Path | None, typer.Option(help="Run folder whose space to profile.")] = None,
    space: Annotated[
        str | None, typer.Option(help="Search space or its file to profile, when there is no run.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="Where to measure: cpu is this machine, ONNX Runtime, one thread.")
    ] = "cpu",
    out: Annotated[Path | None, typer.Option(help="Table to write (default: RUN/latency/DEVICE.parquet).")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time it may take in all, such as 5m: the best table that fits.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Table of another device to correct, instead of measuring layers.")
    ] = None,
    samples: Annotated[int, typer.Option(help="With --from: whole networks to time, 10 to 20.")] = 15,
    quick: Annotated[bool, typer.Option("--quick", help="Short measurements, a few percent less sure.")] = False,
    config: Config = None,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
) -> None:
    """Measure a latency table of a device, and state how far it is from whole networks.

    Example: vitnas profile --run runs/digits --device cpu --budget 5m
    """
    from dataclasses import asdict

    from vitnas.latency_lut.devices import load_device
    from vitnas.latency_lut.profile import ProfileSettings
    from vitnas.latency_lut.profile import profile as measure
    from vitnas.latency_lut.table import LatencyTable
    from vitnas.latency_lut.transfer import transfer
    from vitnas.reporting.fidelity import plot_fidelity, print_fidelity
    from vitnas.run import RunFolder
    from vitnas.settings import read_settings

    if (run is None) == (space is None):
        raise SettingsError("say what to profile: --run RUN, or --space NAME without a run, but not both")
    seconds = parse_duration(budget, "--budget") if budget else None
    target = load_device(device)
    settings = read_settings(ProfileSettings, config, "profile", asdict(ProfileSettings.quick()) if quick else {})
    if run is not None:
        opened = RunFolder.open(run)
        found, path = opened.space, out or opened.latency_file(device)
    else:
        assert space is not None
        found = given_space(space, image_size, classes, channels)
        path = out or Path(f"{found.name}-{device}.parquet")
    if from_ is not None:
        table = transfer(found, target, LatencyTable.read(from_), path, samples, settings, budget_s=seconds)
    else:
        table = measure(found, target, path, settings, budget_s=seconds)
    print_fidelity(table)
    written = str(path)
    if table.header.networks:
        plot_fidelity(table, path.with_suffix(".png"))
        written += f" and {path.with_suffix('.png').name}"
    for warning in table.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"written to {written}")
