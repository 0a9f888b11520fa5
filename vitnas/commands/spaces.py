"""`vitnas spaces`."""

from __future__ import annotations

from typing import Annotated

import typer

from vitnas.commands.limits import Devices, Latencies, latency_limits
from vitnas.commands.options import AsJson, Channels, Classes, ImageSize, emit, given_space

spaces_app = typer.Typer(invoke_without_command=True, help="List the search spaces, or show one.")


@spaces_app.callback()
def spaces(context: typer.Context, as_json: AsJson = False) -> None:
    """List the search spaces.

    Example: vitnas spaces show autoformer-tiny
    """
    if context.invoked_subcommand is None:
        from vitnas.reporting.terminal.spaces import list_spaces, print_spaces

        emit(list_spaces(), as_json, print_spaces)


@spaces_app.command("show")
def spaces_show(
    name: Annotated[str, typer.Argument(help="A name from `vitnas spaces`, or a .toml or .py file.")],
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Show genes, size, smallest and largest counts of a space.

    Example: vitnas spaces show deit
    """
    from vitnas.reporting.terminal.spaces import describe_space, print_space

    emit(describe_space(given_space(name, image_size, classes, channels)), as_json, print_space)


@spaces_app.command("suggest")
def spaces_suggest(
    data: Annotated[str, typer.Option(help="Folder or file of images with labels, or a data set by name.")],
    device: Devices = None,
    latency: Latencies = None,
    space: Annotated[
        list[str] | None, typer.Option(help="Space to look at; several times (default: all known to suit).")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Time for short trainings, which tell what learns most, such as 10m.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(help="Image side in pixels; default: that of the images.")] = None,
    as_json: AsJson = False,
) -> None:
    """Tell which spaces have networks for your images within your limits.

    Example: vitnas spaces suggest --data photos/ --device iphone12 --latency 2ms
    """
    from vitnas.api.automating import suggest_spaces
    from vitnas.quantities import parse_duration
    from vitnas.reporting.terminal.automation import describe_suggestions, print_suggestions
    from vitnas.supernets.settings.data import DataSettings

    found = suggest_spaces(
        DataSettings(data, image_size=image_size),
        latency_limits(device, latency),
        spaces=space or (),
        seconds=parse_duration(time, "--time") if time is not None else 0.0,
        progress=True,
    )
    emit(describe_suggestions(found), as_json, print_suggestions)
