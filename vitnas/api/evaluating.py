"""Evaluating archs on the weights of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from vitnas.api.archs import Archs, OneArch, named_archs
from vitnas.api.loading import load_table, run_of
from vitnas.api.telling import teller
from vitnas.errors import CheckpointError, SearchError, SettingsError
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.execution import make_executor
from vitnas.nas.execution.place import computed_on
from vitnas.nas.execution.together import scored
from vitnas.nas.quantity import std_of
from vitnas.nas.records import EvaluationBar
from vitnas.nas.scores.supernet import TEST, TEST_IMAGES, SupernetScore
from vitnas.reporting.counted import count_archs
from vitnas.reporting.per_arch import ArchTable, EvaluatedArch
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.search_spaces.answers import metric_of
from vitnas.settings import make_settings
from vitnas.supernets.data import dataset_of
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.judgement import Judgement
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.tested import Tested, add_tested
from vitnas.supernets.weights.checkpoints import checkpoint_folders


@overload
def evaluate(
    run: RunFolder | str | Path | None,
    archs: OneArch,
    *,
    seed: int = 0,
    workers: int = 1,
    ray_address: str | None = None,
    torch_device: str = "auto",
    progress: bool = False,
) -> EvaluatedArch: ...


@overload
def evaluate(
    run: RunFolder | str | Path | None,
    archs: Archs,
    *,
    seed: int = 0,
    workers: int = 1,
    ray_address: str | None = None,
    torch_device: str = "auto",
    progress: bool = False,
) -> ArchTable[EvaluatedArch]: ...


def evaluate(
    run: RunFolder | str | Path | None,
    archs: OneArch | Archs,
    *,
    seed: int = 0,
    workers: int = 1,
    ray_address: str | None = None,
    torch_device: str = "auto",
    progress: bool = False,
) -> EvaluatedArch | ArchTable[EvaluatedArch]:
    """Evaluates archs on the newest weights of a run: accuracy and loss, counts, and latency by the tables of the run.

    Accuracies on the test images are kept in the run as well, where its report finds them.

    Args:
        run: whose weights; None takes the newest run below ``runs/``.
        archs: one arch, which gives one result, or several, which give a table: a list, a front, or a number of
            random ones.
        seed: of random archs.
        workers: Ray workers; 1 stays in this process. The result does not depend on it.
        ray_address: Ray cluster to join.
        torch_device: where archs are judged: cpu, cuda, cuda:1 or mps; "auto" takes a GPU if there is one, whose figures
            agree with those of a processor to rounding.
        progress: shows a bar, and prints what is said to standard error.
    """
    if workers < 1:
        raise SettingsError(f"cannot work with {workers} workers; give at least 1")
    say = teller(progress)
    opened = run_of(run, say)
    named = named_archs(opened.space, archs, seed)
    step, steps = _trained(opened)
    if step < steps:
        say(f"{opened.path}: not trained to its end; these are the weights of step {step} of {steps}")
    tables = {
        file.stem: load_table(file, progress=progress) for file in sorted((opened.path / "latency").glob("*.parquet"))
    }
    with make_executor(workers, ray_address, torch_device=torch_device) as executor:
        executor.start()
        if (device := computed_on(executor)) is not None:
            say(f"judged on {device}, whose figures agree with those of a processor to rounding")
        score = SupernetScore.of(opened, test=True, torch_device=executor.torch_device)
        ended = {}
        with EvaluationBar(progress and len(named) > 1, len(named)) as bar:
            for position, outcome in scored(executor, score, list(named.values())):
                ended[position] = outcome
                bar.advance()
    outcomes = [ended[position] for position in range(len(named))]
    failed = [f"{name}: {o.error}" for name, o in zip(named, outcomes, strict=True) if o.error is not None]
    if failed:
        raise SearchError(f"{len(failed)} of {len(named)} archs could not be evaluated; the first, {failed[0]}")
    found = _evaluated(opened, named, [outcome.get() for outcome in outcomes], tables, score.dataset.classes)
    weights = f"shared weights of step {step}"
    add_tested(opened, [Tested.of(one.arch.id, weights, one.test) for one in found if one.test is not None])
    return found[0] if isinstance(archs, OneArch) else ArchTable.of(found)


def _evaluated(
    run: RunFolder,
    archs: Mapping[str, Arch],
    scores: Sequence[Mapping[str, Any]],
    tables: Mapping[str, LatencyTable],
    classes: Sequence[str],
) -> list[EvaluatedArch]:
    codes, metric = run.space.encode(list(archs.values())), metric_of(run.space.task.answer)
    latencies = {device: table.latency_ms(run.space)(codes).tolist() for device, table in tables.items()}
    return [
        EvaluatedArch(
            name=one.name,
            arch=one.arch,
            value=score[metric],
            std=score[std_of(metric)],
            loss=score["loss"],
            test=_test(score, metric),
            num_params=one.num_params,
            macs=one.macs,
            latency_ms={device: values[i] for device, values in latencies.items()},
            metric=metric,
            of_classes=_of_classes(score, classes),
        )
        for i, (one, score) in enumerate(zip(count_archs(run.space, archs), scores, strict=True))
    ]


def _test(score: Mapping[str, Any], metric: str) -> Judgement | None:
    if TEST_IMAGES not in score:
        return None
    num_images = int(score[TEST_IMAGES])
    return Judgement(score[TEST + metric], num_images, num_images, metric, score.get(TEST + std_of(metric)))


def _of_classes(score: Mapping[str, Any], classes: Sequence[str]) -> dict[str, dict[str, float]]:
    """Figure -> class -> value, of those that a score tells as ``figure[number]``."""
    found: dict[str, dict[str, float]] = {}
    for name, value in score.items():
        figure, bracket, number = name.partition("[")
        if bracket:
            found.setdefault(figure, {})[classes[int(number.rstrip("]"))]] = value
    return found


def _trained(run: RunFolder) -> tuple[int, int]:
    """The step of the newest checkpoint, and the steps that the run is to make."""
    folders = checkpoint_folders(run)
    if not folders:
        raise CheckpointError(
            f"run '{run.path}' has no checkpoint yet; train it with `vitnas train-supernet --resume {run.path}`"
        )
    settings = make_settings(TrainSettings, run.config.get("train", {}), f"{run.config_file}, [train]")
    batches = Batches(len(dataset_of(run).train), settings.batch_size, settings.seed)
    return int(folders[-1].name.removeprefix("step-")), settings.steps or settings.epochs * batches.per_epoch
