"""`vitnas evaluate`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vitnas.commands.options import AsJson, RunPath, emit, given_arch, given_run, given_table
from vitnas.errors import CheckpointError, SearchError, SettingsError

if TYPE_CHECKING:
    from vitnas.run import RunFolder
    from vitnas.search_spaces import Arch, SearchSpace


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
    as_json: AsJson = False,
) -> None:
    """Evaluate archs on the weights of a run: accuracy, loss and costs; accuracy on test images with its 95 % interval.

    Example: vitnas evaluate --run runs/digits --sample 8
    """
    if sum([arch is not None, front is not None, sample is not None, smallest, largest]) != 1:
        raise SettingsError(
            "say which archs to evaluate: exactly one of --arch, --front, --sample, --smallest and --largest"
        )
    if workers < 1:
        raise SettingsError(f"cannot work with {workers} workers; give at least 1")
    opened = given_run(run)
    space = opened.space
    if arch is not None:
        archs = {Path(arch).stem: given_arch(space, arch)}
    elif front is not None:
        archs = _of_front(space, front)
    elif sample is not None:
        import numpy as np

        archs = {str(i): one for i, one in enumerate(space.sample(sample, np.random.default_rng(seed)))}
    else:
        archs = {"smallest": space.smallest()} if smallest else {"largest": space.largest()}
    step, steps = _trained(opened)
    if step < steps:
        print(
            f"{opened.path}: not trained to its end; these are the weights of step {step} of {steps}", file=sys.stderr
        )

    from vitnas.nas.execution import make_executor
    from vitnas.reporting.terminal.evaluations import describe_evaluations, print_evaluations
    from vitnas.supernets.accuracy import Accuracy
    from vitnas.supernets.evaluation import SubnetScore
    from vitnas.supernets.tested import Tested, add_tested

    for file in sorted((opened.path / "latency").glob("*.parquet")):
        given_table(file)
    with make_executor(workers, ray_address) as executor:
        outcomes = list(executor.map(SubnetScore(opened.path.resolve()), list(archs.values())))
    failed = [f"{name}: {o.error}" for name, o in zip(archs, outcomes, strict=True) if o.error is not None]
    if failed:
        raise SearchError(f"{len(failed)} of {len(archs)} archs could not be evaluated; the first, {failed[0]}")
    evaluated = describe_evaluations(opened, archs, [outcome.get() for outcome in outcomes])
    emit(evaluated, as_json, print_evaluations)
    weights = f"shared weights of step {step}"
    add_tested(
        opened,
        [
            Tested.of(one["id"], weights, Accuracy.from_json(one["test"]))
            for one in evaluated
            if one["test"] is not None
        ],
    )


def _of_front(space: SearchSpace, file: Path) -> dict[str, Arch]:
    from vitnas.nas.pareto import ParetoFront

    return {str(i): point.arch for i, point in enumerate(ParetoFront.load(file, space).points)}


def _trained(run: RunFolder) -> tuple[int, int]:
    """The step of the newest checkpoint, and the steps that the run is to make."""
    from vitnas.settings import make_settings
    from vitnas.supernets.data import dataset_of
    from vitnas.supernets.data.batches import Batches
    from vitnas.supernets.settings.train import TrainSettings
    from vitnas.supernets.weights.checkpoints import checkpoint_folders

    folders = checkpoint_folders(run)
    if not folders:
        raise CheckpointError(
            f"run '{run.path}' has no checkpoint yet; train it with `vitnas train-supernet --resume {run.path}`"
        )
    settings = make_settings(TrainSettings, run.config.get("train", {}), f"{run.config_file}, [train]")
    batches = Batches(len(dataset_of(run).train), settings.batch_size, settings.seed)
    return int(folders[-1].name.removeprefix("step-")), settings.steps or settings.epochs * batches.per_epoch
