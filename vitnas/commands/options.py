"""What several commands share: options with their help, and how a space or an arch is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitnas.commands.with_settings import Flags
from vitnas.errors import CheckpointError, InvalidArchError, SettingsError
from vitnas.files import read_json
from vitnas.supernets.settings.data import DataSettings

if TYPE_CHECKING:
    from vitnas.latency_lut.table import LatencyTable
    from vitnas.run import RunFolder
    from vitnas.search_spaces import Arch, SearchSpace, Task

RUNS = Path("runs")
SETTINGS_FILE = Path("vitnas.toml")

SpaceName = Annotated[str, typer.Option("--space", help="Search space, see `vitnas spaces`, or a .toml or .py file.")]
RunPath = Annotated[
    Path | None, typer.Option("--run", help="Run that `vitnas train-supernet` made (default: the newest below runs/).")
]
Config = Annotated[
    Path | None,
    typer.Option(
        callback=lambda given: given or _found_settings(),
        help="TOML file of settings, one table a command; flags win over it (default: vitnas.toml, if there is one).",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
TimedOn = Annotated[
    list[str] | None, typer.Option("--device", help="Time the network there too; may be given several times.")
]
AccuracyImages = Annotated[
    int | None,
    typer.Option(min=1, help="Tell accuracy on a stratified sample of so many images of a split; default: on all."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
DATA = Flags(DataSettings, names={"name": "--data", "format": "--data-format", "seed": "--data-seed"})
"""Flags of table [data], apart from those of other tables that a command takes."""
ImageSize = Annotated[int | None, typer.Option(help="Image side in pixels; default: as the space was published.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes; default: as the space was published.")]
Channels = Annotated[int | None, typer.Option(help="Image channels; default: as the space was published.")]


def _found_settings() -> Path | None:
    """The settings file of the folder in which the command was given."""
    if not SETTINGS_FILE.is_file():
        return None
    print(f"settings from {SETTINGS_FILE}", file=sys.stderr)
    return SETTINGS_FILE


def given_run(path: Path | None) -> RunFolder:
    """The run that was named, or the newest one, which is then said."""
    from vitnas.run import RunFolder, newest_run

    if path is not None:
        return RunFolder.open(path)
    run = newest_run(RUNS)
    if run is None:
        raise CheckpointError(f"there is no trained run below {RUNS}/; name one with --run, or train one first")
    print(f"--run {run.path}, the newest below {RUNS}/", file=sys.stderr)
    return run


def given_space(name: str, image_size: int | None, classes: int | None, channels: int | None) -> SearchSpace:
    from dataclasses import replace

    from vitnas.search_spaces import load_space

    space = load_space(name)
    given = {"image_size": image_size, "num_classes": classes, "in_channels": channels}
    for key, value in given.items():
        if value is not None and value < 1:
            raise SettingsError(f"{key} = {value}: must be at least 1")
    changes = {key: value for key, value in given.items() if value is not None}
    task: Task = replace(space.task, **changes)
    return load_space(name, task) if changes else space


def given_arch(space: SearchSpace, text: str) -> Arch:
    """An arch from a file, or a published one by its name."""
    from vitnas.search_spaces import Arch

    if text in space.published():
        return space.named(text)
    path = Path(text)
    if not path.is_file():
        names = ", ".join(space.published()) or "none"
        raise InvalidArchError(f"--arch {text}: no such file, and no published arch of '{space.name}' (have {names})")
    return space.check(Arch.from_json(read_json(path)))


def given_table(path: Path) -> LatencyTable:
    """A latency table, and on standard error what whoever uses it must know."""
    from vitnas.latency_lut.table import LatencyTable

    table = LatencyTable.read(path)
    for warning in table.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return table


def emit(data: Any, as_json: bool, show: Any) -> None:
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        show(data)


def say_step(step: str) -> None:
    """One line on standard error for each step of long work."""
    from rich.console import Console

    Console(stderr=True).print(f"{step} ...", style="dim", highlight=False)
