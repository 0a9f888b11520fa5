"""`vitnas score`."""

from __future__ import annotations

from typing import Annotated

import typer

from vitnas.commands.options import AsJson, Channels, Classes, ImageSize, SpaceName, emit, given_space
from vitnas.errors import SettingsError


def score(
    space: SpaceName = "autoformer-tiny",
    arch: Annotated[list[str] | None, typer.Option(help="Arch file, or the name of a published arch. Repeat.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Score this many random archs.")] = None,
    proxy: Annotated[
        list[str] | None, typer.Option(help="What to score by, repeat for several; an assembly brings its parts along.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights, the images and the random archs.")] = 0,
    torch_device: Annotated[
        str,
        typer.Option(
            "--torch-device",
            "--device",
            help="Where torch computes: cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.",
        ),
    ] = "auto",
    image_size: ImageSize = None,
    classes: Classes = None,
    channels: Channels = None,
    as_json: AsJson = False,
) -> None:
    """Score archs without training them, the most promising first; see docs/proxies.md.

    Example: vitnas score --space deit --arch DeiT-Ti --arch DeiT-S --proxy naswot --proxy params
    """
    if bool(arch) == (sample is not None):
        raise SettingsError("say which archs to score: either --arch, as often as you like, or --sample")
    from vitnas.api.scoring import score
    from vitnas.reporting.terminal.scores import print_scores

    found = given_space(space, image_size, classes, channels)
    scored = score(found, sample or arch or [], proxy or "aggregate", seed=seed, torch_device=torch_device)
    emit([one.to_json() for one in scored], as_json, print_scores)
