"""The command line: one thin function a command, each a call that a notebook could make as well."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vitnas import __version__
from vitnas.errors import InvalidArchError, SettingsError, VitnasError
from vitnas.files import read_json
from vitnas.quantities import format_count, parse_bytes, parse_count, parse_ms

if TYPE_CHECKING:
    from vitnas.search_spaces import Arch, SearchSpace, Task

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Search vision transformers for your device: train one supernet, profile the device, search, export.",
    epilog="Start with: vitnas demo",
)
spaces_app = typer.Typer(invoke_without_command=True, help="List the search spaces, or show one.")
app.add_typer(spaces_app, name="spaces")

SpaceName = Annotated[str, typer.Option("--space", help="Search space, see `vitnas spaces`.")]
RunPath = Annotated[Path, typer.Option("--run", help="Run folder that `vitnas train-supernet` made.")]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings, one table a command; flags win over it.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
ImageSize = Annotated[int | None, typer.Option(help="Image side in pixels; default: as the space was published.")]
Classes = Annotated[int | None, typer.Option(help="Number of classes; default: as the space was published.")]
Channels = Annotated[int | None, typer.Option(help="Image channels; default: as the space was published.")]


def main() -> None:
    """Runs a command; a `VitnasError` becomes its message and exit code 2."""
    try:
        app()
    except VitnasError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"vitnas {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


@spaces_app.callback()
def spaces(context: typer.Context, as_json: AsJson = False) -> None:
    """List the search spaces. Example: vitnas spaces show autoformer-tiny."""
    if context.invoked_subcommand is None:
        from vitnas.reporting.spaces import list_spaces, print_spaces

        _emit(list_spaces(), as_json, print_spaces)


@spaces_app.command("show")
def spaces_show(
    name: Annotated[str, typer.Argument(help="A name from `vitnas spaces`.")],
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Show genes, size, smallest and largest counts of a space. Example: vitnas spaces show deit."""
    from vitnas.reporting.spaces import describe_space, print_space

    _emit(describe_space(_space(name, image_size, classes, channels)), as_json, print_space)


@app.command()
def count(
    space: SpaceName = "autoformer-tiny",
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Count this many random archs.")] = None,
    smallest: Annotated[bool, typer.Option("--smallest", help="Count the smallest arch.")] = False,
    largest: Annotated[bool, typer.Option("--largest", help="Count the largest arch.")] = False,
    seed: Annotated[int, typer.Option(help="Of the random archs.")] = 0,
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Count parameters, MACs and memory of archs. Example: vitnas count --space deit --arch DeiT-S."""
    if sum([arch is not None, sample is not None, smallest, largest]) != 1:
        raise SettingsError("say which archs to count: exactly one of --arch, --sample, --smallest and --largest")
    from vitnas.reporting.counts import describe_counts, print_counts

    found = _space(space, image_size, classes, channels)
    archs = [_arch(found, arch)] if arch else [found.smallest()] if smallest else [found.largest()]
    if sample is not None:
        import numpy as np

        archs = found.sample(sample, np.random.default_rng(seed))
    _emit(describe_counts(found, archs), as_json, print_counts)


def _space(name: str, image_size: int | None, classes: int | None, channels: int | None) -> SearchSpace:
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


def _arch(space: SearchSpace, text: str) -> Arch:
    """An arch from a file, or a published one by its name."""
    from vitnas.search_spaces import Arch

    if text in space.published():
        return space.named(text)
    path = Path(text)
    if not path.is_file():
        names = ", ".join(space.published()) or "none"
        raise InvalidArchError(f"--arch {text}: no such file, and no published arch of '{space.name}' (have {names})")
    return space.check(Arch.from_json(read_json(path)))


def _emit(data: Any, as_json: bool, show: Any) -> None:
    if as_json:
        print(json.dumps(data, indent=2))
    else:
        show(data)


if __name__ == "__main__":
    main()
