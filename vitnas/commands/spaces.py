"""`vitnas spaces`."""

from __future__ import annotations

from typing import Annotated

import typer

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
