"""What several commands share: options with their help, and how a space or an arch is named."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitnas.commands.flags import SIZE
from vitnas.commands.with_settings import Flags
from vitnas.errors import SettingsError
from vitnas.image_size import parse_image_size
from vitnas.supernets.settings.data import DataSettings

if TYPE_CHECKING:
    from vitnas.nas.run_search import SearchResult
    from vitnas.search_spaces import SearchSpace

SETTINGS_FILE = Path("vitnas.toml")

SpaceName = Annotated[
    str,
    typer.Option(
        "--space", help="Search space, see `vitnas spaces`, a .toml or .py file, prune:timm:NAME, or stitch:A+B."
    ),
]
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
TorchDeviceName = Annotated[
    str,
    typer.Option(
        "--torch-device", help="Where torch computes: cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
DATA = Flags(DataSettings, names={"name": "--data", "format": "--data-format", "seed": "--data-seed"})
"""Flags of table [data], apart from those of other tables that a command takes."""
ImageSize = Annotated[
    str | None,
    typer.Option(
        metavar=SIZE,
        help="Image side in pixels, or height and width as in 224x320; default: as the space was published.",
    ),
]
Classes = Annotated[int | None, typer.Option(help="Number of classes; default: as the space was published.")]
Channels = Annotated[int | None, typer.Option(help="Image channels; default: as the space was published.")]

Compress = Annotated[
    bool,
    typer.Option("--compress", help="Let layers have precisions too: all that the devices have in common."),
]
Precisions = Annotated[
    list[str] | None,
    typer.Option("--precision", help="With --compress: choose among float and these, such as w8a8; several times."),
]
Simulate = Annotated[
    bool, typer.Option("--simulate", help="With --precision: any precision, accuracy simulated, no latency.")
]


def asked_precisions(compress: bool, precision: list[str] | None) -> bool | list[str]:
    """What --compress and --precision say together: whether layers have precisions, or which."""
    if precision and not compress:
        raise SettingsError(
            f"--precision {precision[0]} is one that --compress may choose; add --compress, or leave --precision out"
        )
    return precision or compress


def _found_settings() -> Path | None:
    """The settings file of the folder in which the command was given."""
    if not SETTINGS_FILE.is_file():
        return None
    print(f"settings from {SETTINGS_FILE}", file=sys.stderr)
    return SETTINGS_FILE


def given_space(name: str, image_size: str | None, classes: int | None, channels: int | None) -> SearchSpace:
    from vitnas.api.loading import load_space

    size = None if image_size is None else parse_image_size(image_size, "--image-size")
    return load_space(name, image_size=size, num_classes=classes, in_channels=channels)


def emit(data: Any, as_json: bool, show: Any) -> None:
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        show(data)


def emit_search(found: SearchResult, as_json: bool) -> None:
    """The front that a search found, and its plot in the folder of the search."""
    from vitnas.reporting.terminal.fronts import describe_search, plot_search, print_search

    described = describe_search(found)
    plot_search(found)
    emit(described, as_json, print_search)
    if not as_json:
        print(f"written to {found.folder}")


def given_network(init: str | None) -> str:
    """Of --init, which `vitnas family` and `vitnas prune` cannot do without."""
    if init is None:
        raise SettingsError(
            "--init is missing: give the network, such as timm:deit_tiny_patch16_224 or the folder of an export"
        )
    return init
