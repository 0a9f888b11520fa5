"""`vitnas evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitnas.commands.options import AsJson, RunPath, TorchDeviceName, emit
from vitnas.errors import SettingsError

if TYPE_CHECKING:
    from vitnas.api.archs import Archs


def evaluate(
    run: RunPath = None,
    arch: Annotated[str | None, typer.Option(help="Arch file, or the name of a published arch.")] = None,
    front: Annotated[Path | None, typer.Option(help="Evaluate every arch of this front.json.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Evaluate this many random archs.")] = None,
    smallest: Annotated[bool, typer.Option("--smallest", help="Evaluate the smallest arch.")] = False,
    largest: Annotated[bool, typer.Option("--largest", help="Evaluate the largest arch.")] = False,
    seed: Annotated[int, typer.Option(help="Of the random archs.")] = 0,
    workers: Annotated[int, typer.Option(help="Ray workers; 1 stays in this process. Same result.")] = 1,
    ray_address: Annotated[str | None, typer.Option(help="Ray cluster to join.")] = None,
    torch_device: TorchDeviceName = "auto",
    as_json: AsJson = False,
) -> None:
    """Evaluate archs on the weights of a run: accuracy, loss and costs; accuracy on test images with its 95 % interval.

    Example: vitnas evaluate --run runs/digits --sample 8
    """
    if sum([arch is not None, front is not None, sample is not None, smallest, largest]) != 1:
        raise SettingsError(
            "say which archs to evaluate: exactly one of --arch, --front, --sample, --smallest and --largest"
        )
    from vitnas.api.evaluating import evaluate
    from vitnas.api.loading import load_front, run_of
    from vitnas.api.telling import teller
    from vitnas.reporting.terminal.evaluations import print_evaluations

    opened = run_of(run, teller(progress=True))
    if front is not None:
        archs: Archs = load_front(front, opened.space)
    else:
        archs = sample or [arch if arch is not None else "smallest" if smallest else "largest"]
    found = evaluate(
        opened, archs, seed=seed, workers=workers, ray_address=ray_address, torch_device=torch_device, progress=True
    )
    emit([one.to_json() for one in found], as_json, print_evaluations)
