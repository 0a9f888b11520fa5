"""The plan: which networks are trained for how many steps, and when which of them are dropped. A TOML file, to be read and edited."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tomli_w

from vitnas.errors import SettingsError
from vitnas.files import write_bytes
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.settings import (
    Count,
    Natural,
    Positive,
    Probability,
    Settings,
    TorchDevice,
    about,
    make_settings,
    read_toml,
)

Role = Literal["candidate", "uniform", "vit", "random", "stock"]


@dataclass(frozen=True)
class Entry:
    """A network of the plan.

    Attributes:
        role: "candidate", or the baseline that it is.
        space: of its arch.
        image_size: that it looks at.
        arch: as its file would hold it.
        ms: device -> milliseconds.
        step_s: processor seconds of a training step, or seconds of a GPU.
        channels_last: the memory layout in which that is so.
        steps: of its whole training.
        learning_rate: at its peak.
    """

    role: Role
    space: str
    image_size: int
    arch: dict[str, Any]
    ms: dict[str, float]
    step_s: float
    channels_last: bool
    steps: int
    learning_rate: float

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.role}-{Path(self.space).stem}-{self.image_size}px-{Arch.from_json(self.arch).id}-{self.learning_rate:g}"

    @property
    def seconds(self) -> float:
        """Of computing time for its whole training."""
        return self.step_s * self.steps

    def load_space(self, task: Task) -> SearchSpace:
        """The space for images of its size."""
        return load_space(self.space, replace(task, image_size=self.image_size))


@dataclass(frozen=True)
class Rung(Settings):
    """Where candidates are compared."""

    table = "rungs"

    share: Annotated[Probability, about("Share of each candidate's training at which it is judged.")]
    keep: Annotated[Count, about("Candidates that go on, those of the least validation loss.")]


@dataclass(frozen=True)
class Plan(Settings):
    """What will be trained. `vitnas auto` follows the file, as it stands, to the step."""

    table = "plan"

    entries: tuple[Entry, ...]
    rungs: tuple[Rung, ...]
    workers: Annotated[Count, about("Trainings at a time.")]
    threads: Annotated[Count, about("Processor threads of each.")]
    seed: Annotated[Natural, about("Random seed of all trainings.")]
    looked_s: Annotated[Positive, about("Seconds that it took to make the plan.")]
    torch_device: Annotated[TorchDevice, about("Where networks are trained.")] = "cpu"

    @property
    def candidates(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.role == "candidate"]

    @property
    def baselines(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.role != "candidate"]

    @property
    def rung_s(self) -> float:
        """Processor seconds of what the rungs train, as if those that go on were the dearest."""
        costs = sorted((entry.seconds for entry in self.candidates), reverse=True)
        total, before = 0.0, 0.0
        for rung in self.rungs:
            total += (rung.share - before) * sum(costs)
            before, costs = rung.share, costs[: rung.keep]
        return total

    @property
    def last_s(self) -> float:
        """Processor seconds of the winner's training after the rungs."""
        done = self.rungs[-1].share if self.rungs else 0.0
        return (1 - done) * max(entry.seconds for entry in self.candidates)

    def minutes(self) -> dict[str, float]:
        """Part -> minutes that it will take here if nothing else disturbs."""
        wide = max(1, min(self.workers, len(self.candidates)))
        parts = {"looking": self.looked_s, "rungs": self.rung_s / wide / self.threads}
        of_spaces = [
            entry.seconds for entry in self.baselines if entry.role == "uniform"
        ]  # the winner's alone is trained
        others = [entry.seconds for entry in self.baselines if entry.role != "uniform"]
        lasting = [self.last_s, *others, *([max(of_spaces)] if of_spaces else [])]
        parts["training"] = makespan(lasting, self.workers) / self.threads
        return {name: seconds / 60 for name, seconds in parts.items()}

    def write(self, file: Path) -> None:
        told = {key: value for key, value in asdict(self).items() if key not in ("entries", "rungs")}
        tables = {**told, "rungs": [asdict(r) for r in self.rungs], "entries": [asdict(e) for e in self.entries]}
        write_bytes(file, tomli_w.dumps(tables).encode())

    @classmethod
    def read(cls, file: Path) -> Plan:
        """The plan of a file that `write` wrote, perhaps edited since."""
        plan = make_settings(cls, read_toml(file), str(file))
        plan.check(str(file))
        return plan

    def check(self, where: str) -> None:
        """Refuses what cannot be followed."""
        shares = [rung.share for rung in self.rungs]
        kept = [rung.keep for rung in self.rungs]
        if not self.candidates:
            raise SettingsError(f"{where}: no entry has role = 'candidate'; keep one or more")
        if shares != sorted(set(shares)) or kept != sorted(kept, reverse=True):
            raise SettingsError(
                f"{where}: shares of rungs must rise and `keep` must not; got shares {shares} that keep {kept}, change them"
            )
        left = min([len(self.candidates), *kept])
        if left > 1:
            raise SettingsError(f"{where}: {left} candidates are left after the last rung; let it keep 1")
        for entry in self.entries:
            if entry.steps < 1:
                raise SettingsError(f"{where}: entry '{entry.name}' has steps = {entry.steps}; give 1 or more")
            load_space(entry.space, Task(entry.image_size)).check(Arch.from_json(entry.arch))


def makespan(seconds: Sequence[float], workers: int) -> float:
    """How long so many workers take for some tasks, the longest first."""
    ends = [0.0] * workers
    for each in sorted(seconds, reverse=True):
        ends[ends.index(min(ends))] += each
    return max(ends)
