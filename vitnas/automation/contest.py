"""A plan as it is followed: its networks in runs of their own, trained on one worker or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vitnas.automation.contender import Mark, enter, network_of, read_marks
from vitnas.automation.plan import Entry, Plan
from vitnas.automation.recipe import recipe
from vitnas.automation.rungs import Standing, Trainer, climb
from vitnas.automation.sharing import Shared
from vitnas.errors import TrainingError, VitnasError
from vitnas.nas.execution.executor import Executor, SerialExecutor
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.torch_device import find_device


@dataclass(frozen=True)
class Contest:
    """What following a plan has at hand.

    Attributes:
        folder: with the run of each entry, under its name.
        plan: to follow.
        data: the images, of any size.
        say: told what happens.
        init: first weights, for those that they fit.
        shared: the supernet whose weights candidates begin with.
        show: draws a bar over what is trained.
    """

    folder: Path
    plan: Plan
    data: DataSettings
    say: Callable[[str], None]
    init: str | None = None
    show: bool = False
    shared: Shared | None = None

    def choose(self) -> tuple[Entry, list[list[Standing]]]:
        """The winner of the candidates, and who stood where."""
        self._enter(self.plan.candidates)
        with self._executor() as executor:
            return climb(self.plan, Trainer(self.folder, executor, self.say, self.show))

    def finish(self, entries: Sequence[Entry]) -> list[Mark]:
        """Trains entries to their end, those that began as well as those that did not."""
        self._enter(entries)
        with self._executor() as executor:
            marks = Trainer(self.folder, executor, self.say, self.show).train(entries, 1.0, "training")
        for name, mark in marks.items():
            if not math.isfinite(mark.loss):
                raise TrainingError(
                    f"'{self.folder / name}' was not trained to its end: its loss is no number any more; remove its entry from the plan, or lower its learning_rate and remove the folder"
                )
        return [marks[entry.name] for entry in entries]

    def images(self, entry: Entry) -> Dataset:
        """The images as an entry sees them."""
        return load_dataset(replace(self.data, image_size=entry.image_size))

    def run(self, entry: Entry) -> RunFolder:
        return RunFolder.open(self.folder / entry.name)

    def tested(self, entry: Entry) -> EvaluationResult:
        """An entry on the test images, or on the validation images where none are kept."""
        dataset = self.images(entry)
        device = find_device(self.plan.torch_device)
        return evaluate(network_of(self.run(entry), dataset, device), dataset.test or dataset.val)

    def spent_s(self, entry: Entry) -> float:
        """Processor seconds that led to an entry: its own, and of a candidate those of all that were dropped, and of the supernet its share."""
        if entry.role == "candidate":
            led, before_s = self.plan.candidates, self.shared.cpu_s if self.shared is not None else 0.0
        else:
            led, before_s = [entry], 0.0
        marks = [read_marks(RunFolder(self.folder / one.name)) for one in led]
        return before_s + sum(found[-1].cpu_s for found in marks if found)

    def _enter(self, entries: Sequence[Entry]) -> None:
        loaded: dict[int, Dataset] = {}
        for entry in entries:
            if entry.image_size not in loaded:
                loaded[entry.image_size] = self.images(entry)
            dataset = loaded[entry.image_size]
            how = {
                "learning_rate": entry.learning_rate,
                "threads": self.plan.threads,
                "seed": self.plan.seed,
                "torch_device": self.plan.torch_device,
            }
            if entry.role == "candidate" and self.shared is not None:
                settings = recipe(dataset, entry.channels_last, entry.steps, init=str(self.shared.path), **how)
                enter(*self._where(entry, dataset), settings)
                continue
            settings = recipe(dataset, entry.channels_last, entry.steps, init=self.init, **how)
            where = self._where(entry, dataset)
            try:
                enter(*where, settings)
            except VitnasError as error:
                if self.init is None:
                    raise
                enter(*where, replace(settings, init=None))  # raises again what has another cause
                self.say(f"{entry.name} begins with drawn weights: {error}")

    def _where(self, entry: Entry, dataset: Dataset) -> tuple[Path, SearchSpace, DataSettings]:
        space, arch = entry.load_space(dataset.task), Arch.from_json(entry.arch)
        return self.folder / entry.name, space.alone(arch), replace(self.data, image_size=entry.image_size)

    def _executor(self) -> Executor:
        if self.plan.workers == 1:
            return SerialExecutor()
        from vitnas.nas.execution.ray import RayExecutor

        return RayExecutor(self.plan.workers, torch_device=self.plan.torch_device)
