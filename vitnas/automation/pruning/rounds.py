"""Rounds of pruning (NViT, Yang et al., 2023): score, sort, remove what matters least a millisecond, tune, and again."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from vitnas.automation.pruning.given_run import given_run
from vitnas.automation.pruning.settings import PruneSettings
from vitnas.errors import SearchError
from vitnas.files import read_json, write_json
from vitnas.latency_lut import profile as profiling
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.searchers.slimming import slim
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.data import DataSettings, dataset_of
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.settings.train import TrainSettings

ARCH_FILE, WHOLE_FILE, ROUND_FILE = "arch.json", "whole.json", "round.json"


@dataclass(frozen=True)
class Round:
    """What a round came to.

    Attributes:
        number: from 0, the given network itself.
        arch_id: of the network.
        latency_ms: by the table of the round.
        num_params: its parameters.
        untuned: its accuracy on validation images before it was tuned.
        tuned: after.
    """

    number: int
    arch_id: str
    latency_ms: float
    num_params: int
    untuned: float
    tuned: float


@dataclass(frozen=True)
class PruneResult:
    """A given network that was brought below a limit.

    Attributes:
        folder: of the export.
        rounds: what each came to, the given network first.
        report: what report.json of the export holds.
    """

    folder: Path
    rounds: tuple[Round, ...]
    report: dict[str, Any]


@dataclass(frozen=True)
class Pruning:
    """A pruning in rounds, in a folder that it goes on in after a kill.

    Attributes:
        folder: with round-1, round-2 and so on: each with the run of what its network becomes, and that of the tuned one.
        data: the images.
        device: whose latency counts.
        limit_ms: what the last round keeps.
        how: rounds, epochs and so on.
        say: told what happens.
        progress: shows bars.
    """

    folder: Path
    data: DataSettings
    device: str
    limit_ms: float
    how: PruneSettings
    say: Callable[[str], None]
    progress: bool = False

    def run(self, init: str) -> list[Round]:
        """All rounds, the given network first."""
        rounds: list[Round] = []
        for number in range(1, self.how.rounds + 1):
            home = self.folder / f"round-{number}"
            if not (home / ROUND_FILE).is_file():
                source = init if number == 1 else str(self.tuned(number - 1) / ARCH_FILE)
                write_json(home / ROUND_FILE, {"rounds": [asdict(one) for one in self._round(number, source, rounds)]})
            rounds += [Round(**one) for one in read_json(home / ROUND_FILE)["rounds"]]
            last = rounds[-1]
            self.say(f"round {number}: {last.latency_ms:.3f} ms, accuracy {last.untuned:.1%}, tuned {last.tuned:.1%}")
        return rounds

    def tuned(self, number: int) -> Path:
        """The run of the tuned network of a round."""
        return self.folder / f"round-{number}" / "tuned"

    def _round(self, number: int, source: str, before: list[Round]) -> list[Round]:
        run = self._given(number, source)
        table = self._table(run)
        cost, space = table.latency_ms(run.space), run.space
        whole = space.encode([space.largest()])
        whole_ms = float(cost(whole)[0])
        first_ms = before[0].latency_ms if before else whole_ms
        if self.limit_ms >= first_ms:
            raise SearchError(
                f"limit {self.limit_ms:g} ms on {self.device}: the given network takes {first_ms:.3f} ms as it is, so there is "
                "nothing to remove; give a lower limit"
            )
        target_ms = first_ms * (self.limit_ms / first_ms) ** (number / self.how.rounds)
        path = slim(space, whole[0], self._importance(run), cost, adjacent=True)
        fits = path[np.asarray(cost(path)) <= target_ms]
        if not len(fits):
            raise SearchError(
                f"round {number}: no network of '{space.name}' that removing leads to takes at most {target_ms:.3f} ms on "
                f"{self.device}, the least is {float(np.min(cost(path))):.3f} ms; give a higher limit"
            )
        [arch] = space.decode(fits[:1])
        untuned, tuned, num_params = self._tune(run, arch, number)
        found = [Round(number, arch.id, float(cost(fits[:1])[0]), num_params, untuned, tuned)]
        if not before:
            accuracy = self._accuracy(run, space.largest())
            given = Round(
                0, space.largest().id, whole_ms, int(table.counts(space)["num_params"](whole)[0]), accuracy, accuracy
            )
            found.insert(0, given)
        return found

    def _given(self, number: int, source: str) -> RunFolder:
        from vitnas.supernets.weights.measured_moments import measure_once

        place = self.folder / f"round-{number}" / "given"
        train = TrainSettings(init_order=self.how.importance)
        run = given_run(source, self.data, train, lambda _: place, self.say)
        write_json(place / WHOLE_FILE, run.space.largest().to_json())
        measure_once(run, 0, self.say)
        return run

    def _table(self, run: RunFolder) -> LatencyTable:
        file = run.latency_file(self.device)
        if not file.is_file():
            profiling.profile(run.space, load_device(self.device), file, ProfileSettings.quick(), self.progress)
        return LatencyTable.read(file)

    def _importance(self, run: RunFolder) -> Callable[[np.ndarray], np.ndarray]:
        from vitnas.supernets.pruning.importances import IMPORTANCES
        from vitnas.supernets.weights.checkpoints import load_supernet

        return IMPORTANCES.load(self.how.importance)(seed=0).table(load_supernet(run), dataset_of(run).train)

    def _tune(self, run: RunFolder, arch: Arch, number: int) -> tuple[float, float, int]:
        """Trains the network of a round on, taught by the given one; its accuracy before and after, and its parameters."""
        from vitnas.supernets.training.alone import AVERAGE, NEVER
        from vitnas.supernets.training.beginning import begin
        from vitnas.supernets.training.train import start_run, train
        from vitnas.supernets.weights.checkpoints import load_supernet

        teacher = self.folder / "round-1" / "given"
        settings = TrainSettings(
            epochs=self.how.epochs,
            learning_rate=self.how.learning_rate,
            sampler="single",
            average=AVERAGE,
            evaluate_every=NEVER,
            distil=Distil(teacher=f"run:{teacher}@{teacher / WHOLE_FILE}"),
            loggers=(),
        )
        tuned = RunFolder(self.tuned(number))
        network = load_supernet(run).extract(arch)
        if not tuned.config_file.is_file():
            start_run(tuned.path, run.space.alone(arch), self._resolved(run), settings)
        begin(tuned, network)
        train(tuned, self.progress)
        write_json(tuned.path / ARCH_FILE, arch.to_json())
        gc.collect()
        untuned, after = self._accuracy(run, arch), self._accuracy(tuned, arch)
        return untuned, after, sum(p.numel() for p in network.parameters())

    def _resolved(self, run: RunFolder) -> DataSettings:
        return replace(self.data, image_size=run.space.task.image_size)

    def _accuracy(self, run: RunFolder, arch: Arch) -> float:
        from vitnas.supernets.evaluation import cut_out, evaluate
        from vitnas.supernets.weights.checkpoints import load_supernet

        dataset = dataset_of(run)
        return evaluate(cut_out(load_supernet(run), arch, dataset.train), dataset.val).accuracy
