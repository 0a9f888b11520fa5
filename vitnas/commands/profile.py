"""`vitnas profile`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitnas.commands.options import Channels, Classes, Config, ImageSize, given_space
from vitnas.commands.with_settings import Flags, Given, with_settings
from vitnas.errors import SettingsError
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.quantities import parse_duration


@with_settings(profile=Flags(ProfileSettings, names={"loggers": "--logger"}))
def profile(
    profile: Given[ProfileSettings],
    run: Annotated[
        Path | None, typer.Option(help="Run folder whose space to profile (default: the newest run below runs/).")
    ] = None,
    space: Annotated[
        str | None, typer.Option(help="Search space or its file to profile, when there is no run.")
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(help="Where to measure, see `vitnas devices` (default: cpu), or a name for another machine."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Table to write (default: RUN/latency/DEVICE.parquet).")] = None,
    budget: Annotated[
        str | None, typer.Option(help="Time it may take in all, such as 5m: the best table that fits.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Table of another device to correct, instead of measuring layers.")
    ] = None,
    samples: Annotated[int, typer.Option(help="With --from: whole networks to time, 10 to 20.")] = 15,
    bundle: Annotated[
        Path | None,
        typer.Option(help="Folder to write for another machine to measure; with --import, what it measured."),
    ] = None,
    import_: Annotated[
        Path | None,
        typer.Option("--import", help="What another machine measured: a runner's JSON, CSV, Xcode reports."),
    ] = None,
    ssh: Annotated[
        str | None, typer.Option(help="Linux board to measure on, as user@host; nothing is installed there.")
    ] = None,
    adb: Annotated[
        Path | None, typer.Option(help="LiteRT's benchmark_model, to measure on the Android phone at the cable.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="What --bundle is for: coreml, onnx or tflite.")] = "coreml",
    browser: Annotated[
        str | None,
        typer.Option(
            help="Measure in a browser that opens the address printed here, by wasm or webgpu; --device names the table."
        ),
    ] = None,
    lan: Annotated[
        bool, typer.Option("--lan", help="In a browser: of any machine of the network that is told the address.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the browser's page; 0 takes any that is free.")] = 0,
    threads: Annotated[
        int | None, typer.Option(help="With --bundle, --ssh, --adb or --browser: threads of a call there.")
    ] = None,
    cores: Annotated[str, typer.Option(help="With --ssh or --adb: cores to keep to, such as 4,5.")] = "",
    compress: Annotated[
        bool,
        typer.Option("--compress", help="Measure layers in integers too, as `vitnas search --compress` needs them."),
    ] = False,
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

    from vitnas.api import profiling
    from vitnas.api.loading import run_of, source_of
    from vitnas.api.telling import teller
    from vitnas.latency_lut.browser.named import browser_named
    from vitnas.latency_lut.devices import load_device
    from vitnas.latency_lut.remote.transports import Elsewhere
    from vitnas.latency_lut.settings import ProfileSettings
    from vitnas.reporting.plots.fidelity import plot_fidelity, print_fidelity

    if run is not None and space is not None:
        raise SettingsError("say what to profile: --run RUN, or --space NAME without a run, but not both")
    seconds = parse_duration(budget, "--budget") if budget else None
    page = browser_named(device, browser, threads, lan, port)
    elsewhere = Elsewhere(bundle, import_, ssh, adb, runtime, threads if page is None else None, cores)
    elsewhere.check(device)
    if page is not None and elsewhere.asked:
        raise SettingsError(
            "a browser is one way to measure, --bundle, --import, --ssh and --adb are others; choose one"
        )
    if elsewhere.asked and (from_ is not None or budget is not None):
        raise SettingsError("--from and --budget are for measuring on this machine; leave them out, or measure here")
    if (elsewhere.asked or page is not None) and compress:
        raise SettingsError("--compress is for measuring on this machine; leave it out, or measure here")
    target = page or (None if elsewhere.asked else load_device(device or "cpu"))
    settings = profile.settings(config, asdict(ProfileSettings.quick()) if quick else {})
    source = given_space(space, image_size, classes, channels) if space is not None else run_of(run, teller(True))
    if target is None:
        measured = profiling.profile_elsewhere(source, device, elsewhere, settings, path=out, progress=True)
        if measured is None:
            print(
                f"written to {bundle}; docs/measuring-elsewhere.md says how to measure it, and --import reads what comes back"
            )
            return
        table = measured
    else:
        table = profiling.profile(
            source,
            target,
            settings,
            path=out,
            budget_s=seconds,
            corrects=from_,
            samples=samples,
            compress=compress,
            progress=True,
        )
    path = profiling.table_file(*source_of(source, teller(True)), table.header.device, out)
    print_fidelity(table)
    written = str(path)
    if table.header.networks:
        plot_fidelity(table, path.with_suffix(".png"))
        written += f" and {path.with_suffix('.png').name}"
    print(f"written to {written}")
