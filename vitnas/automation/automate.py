"""The whole way from a question to a folder with its answer; killed, it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import tomli_w
import torch

from vitnas.automation.answer import Answer, Line, ahead, write_answer
from vitnas.automation.clock import Clock
from vitnas.automation.contender import Mark, enter, network_of, read_marks
from vitnas.automation.pace import Pace
from vitnas.automation.plan import Entry, Plan
from vitnas.automation.planning import make_plan
from vitnas.automation.recipe import recipe
from vitnas.automation.rungs import Standing, climb, train_whole
from vitnas.automation.settings import AutoSettings
from vitnas.deployment.export import Draw, export
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.files import only_here, write_bytes, write_json
from vitnas.nas.execution.executor import Executor, SerialExecutor
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.settings import read_toml
from vitnas.supernets.accuracy import Accuracy
from vitnas.supernets.counting.counts import count
from vitnas.supernets.data import Dataset, DataSettings, load_dataset, resolved
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.weights.checkpoints import load_supernet

QUESTION, PLAN, STANDINGS = "question.toml", "plan.toml", "standings.json"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What an automatic search left.

    Attributes:
        folder: with all of it.
        plan: that was followed.
        answer: None where only the plan was asked for.
    """

    folder: Path
    plan: Plan
    answer: Answer | None = None

    @property
    def network(self) -> Path:
        """The folder of the exported network."""
        return self.folder / "network"


def automate(
    data: DataSettings,
    settings: AutoSettings,
    folder: Path,
    say: Say,
    show: Callable[[Plan], None],
    draw: Draw | None = None,
    dry_run: bool = False,
) -> Found:
    """Plans, trains, compares and exports.

    Args:
        data: the images.
        settings: limits, time and choices.
        folder: of everything; one that holds the same question goes on with it, by the plan that lies there.
        say: told every step.
        show: shows the plan before it is followed.
        draw: draws the network for its card.
        dry_run: ends with the plan.
    """
    if not settings.limits:
        raise SettingsError("[auto] limits names no device; say how fast the network must be, such as cpu = 3.0 (ms)")
    choose_exporters(ExportSettings(formats=settings.formats))  # refuses what cannot be written here
    dataset = load_dataset(data)
    data = resolved(data, dataset)
    _ask(folder, data, settings)
    with only_here(folder, "automatic search"):
        clock = Clock(settings.limits, folder / "latencies.json")
        plan = _plan(folder, dataset, settings, clock, say)
        show(plan)
        if dry_run:
            return Found(folder, plan)
        work = _Work(folder, plan, data, settings, say)
        winner, standings = work.choose(dataset)
        write_json(folder / STANDINGS, [[_standing(one) for one in rung] for rung in standings])
        against = [entry for entry in plan.baselines if entry.role != "uniform" or _beside(entry, winner)]
        marks = work.finish([winner, *against])
        answer = work.judge([winner, *against], marks)
        if not (folder / "network").exists():
            work.export(winner, draw)
        write_answer(answer, folder, work.commands(winner))
    return Found(folder, plan, answer)


@dataclass(frozen=True)
class _Work:
    """What following a plan has at hand."""

    folder: Path
    plan: Plan
    data: DataSettings
    settings: AutoSettings
    say: Say

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    def choose(self, dataset: Dataset) -> tuple[Entry, list[list[Standing]]]:
        for entry in self.plan.entries:
            self._enter(entry, dataset)
        with self._executor() as executor:
            return climb(self.plan, self.runs, executor, self.say)

    def finish(self, entries: Sequence[Entry]) -> list[Mark]:
        with self._executor() as executor:
            return train_whole(entries, self.runs, executor, self.say)

    def judge(self, entries: Sequence[Entry], marks: Sequence[Mark]) -> Answer:
        """The networks on the test images, and timed once more, side by side."""
        self.say("judging on the test images")
        clock = Clock(self.settings.limits)
        lines, answers, split = [], [], "test"
        for entry, mark in zip(entries, marks, strict=True):
            run = RunFolder.open(self.runs / entry.name)
            dataset = load_dataset(replace(self.data, image_size=entry.image_size))
            if dataset.test is None:
                split = "validation"
            found = evaluate(network_of(run, dataset), dataset.test or dataset.val)
            space, arch = entry.load_space(dataset.task), Arch.from_json(entry.arch)
            accuracy = Accuracy(found.accuracy, found.num_images, found.num_images)
            [ms] = clock.ms(space, [arch])
            role = "network" if entry.role == "candidate" else entry.role
            spent_s = mark.cpu_s + (self._lost_s(entry) if entry.role == "candidate" else 0.0)
            params = count(space.lower(arch)).num_params
            lines.append(
                Line(
                    role,
                    space.name,
                    entry.image_size,
                    arch.id,
                    accuracy.value,
                    accuracy.interval,
                    ms,
                    params,
                    spent_s / 60,
                )
            )
            answers.append(found.right)
        return Answer(
            dataset=dataset.name,
            split=split,
            num_images=len(answers[0]),
            limits=self.settings.limits,
            lines=tuple(lines),
            ahead={line.role: ahead(answers[0], right) for line, right in zip(lines[1:], answers[1:], strict=True)},
        )

    def export(self, winner: Entry, draw: Draw | None) -> None:
        run = RunFolder.open(self.runs / winner.name)
        dataset = load_dataset(replace(self.data, image_size=winner.image_size))
        export(
            run.space,
            load_supernet(run),
            run.space.largest(),
            dataset,
            self.folder / "network",
            ExportSettings(formats=self.settings.formats),
            run=run,
            latency_ms=winner.ms,
            chosen=f"the winner of {len(self.plan.candidates)} candidates, each trained alone",
            draw=draw,
            progress=self.say,
        )

    def commands(self, winner: Entry) -> list[str]:
        """What a user would type for the same network."""
        run = self.runs / winner.name
        return [
            f"vitnas train-supernet --resume {run}  # as its config.toml says",
            f"vitnas export --run {run} --arch largest --format {','.join(self.settings.formats)} --out network",
            f"vitnas verify {self.folder / 'network'} --run {run}",
        ]

    def _lost_s(self, winner: Entry) -> float:
        """Processor seconds of the candidates that were dropped."""
        others = [entry for entry in self.plan.candidates if entry.name != winner.name]
        marks = [read_marks(RunFolder(self.runs / entry.name)) for entry in others]
        return sum(found[-1].cpu_s for found in marks if found)

    def _enter(self, entry: Entry, dataset: Dataset) -> RunFolder:
        data = replace(self.data, image_size=entry.image_size)
        sized = dataset if entry.image_size == dataset.task.image_size else load_dataset(data)
        pace = Pace(entry.step_s, entry.channels_last)
        settings = recipe(sized, pace, entry.steps, self.plan.threads, self.plan.seed, self.settings.init)
        space, arch = entry.load_space(sized.task), Arch.from_json(entry.arch)
        return enter(self.runs / entry.name, space, arch, data, settings)

    def _executor(self) -> Executor:
        if self.plan.workers == 1:
            return SerialExecutor()
        from vitnas.nas.execution.ray import RayExecutor

        return RayExecutor(self.plan.workers)


def _ask(folder: Path, data: DataSettings, settings: AutoSettings) -> None:
    """Records the question; a folder that holds another one is left as it is."""
    asked = {"data": _plain(asdict(data)), "auto": _plain(asdict(settings))}
    file = folder / QUESTION
    if file.is_file():
        before = read_toml(file)
        changed = [
            f"{table}.{key}" for table in asked for key in {**asked[table], **before.get(table, {})}
            if asked[table].get(key) != before.get(table, {}).get(key)
        ]  # fmt: skip
        if changed:
            raise SettingsError(
                f"'{folder}' answers another question, which differs in {', '.join(sorted(changed))}; ask that one again to go on with it, or choose another folder"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(file, tomli_w.dumps(asked).encode())


def _plan(folder: Path, dataset: Dataset, settings: AutoSettings, clock: Clock, say: Say) -> Plan:
    file = folder / PLAN
    if file.is_file():
        say(f"following '{file}'")
        return Plan.read(file)
    plan = make_plan(dataset, settings, clock, torch.get_num_threads(), say)
    plan.write(file)
    return plan


def _beside(uniform: Entry, winner: Entry) -> bool:
    """Whether it is the uniform scaling of the winner's own space."""
    return (uniform.space, uniform.image_size) == (winner.space, winner.image_size)


def _standing(one: Standing) -> Mapping[str, Any]:
    return {"name": one.entry.name, "kept": one.kept, **msgspec.to_builtins(one.mark)}


def _plain(table: Mapping[str, Any]) -> dict[str, Any]:
    """As TOML holds it: no None, no tuples."""
    return {
        key: list(value) if isinstance(value, tuple) else _plain(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }
