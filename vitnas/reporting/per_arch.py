"""What was found of archs, one row each: counts, evaluations, scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vitnas.display import Shown
from vitnas.search_spaces import Arch
from vitnas.supernets.judgement import ACCURACY, Judgement


@dataclass(frozen=True)
class ArchResult(Shown, ABC, view="arch"):
    """What was found of one arch.

    Attributes:
        name: what the arch is called: its published name, its file, its number or its id.
        arch: the architecture.
    """

    name: str
    arch: Arch

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """The figures by their names, in the order of the columns of a table."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """Everything that was found, as the commands print it with ``--json``."""


R = TypeVar("R", bound=ArchResult, covariant=True)


class ArchTable(tuple[R, ...], Shown, view="archs"):
    """Results of several archs, a row each."""

    __slots__ = ()

    @classmethod
    def of(cls, rows: Iterable[R]) -> ArchTable[R]:
        return cls(rows)


@dataclass(frozen=True)
class EvaluatedArch(ArchResult):
    """How good an arch is on the weights of a run, and what it costs.

    Attributes:
        value: of the metric on the validation images, in 0..1.
        std: its standard deviation for so many images drawn at random.
        loss: mean loss on the validation images.
        test: the metric on the test images; None where none are kept.
        num_params: trainable numbers.
        macs: multiply-accumulates for one image.
        latency_ms: device -> milliseconds, for each device that the run has a table of.
        metric: what `value` is: accuracy, or that of another goal.
        of_classes: figure -> class -> its value on the validation images, of goals that judge each class.
    """

    value: float
    std: float
    loss: float
    test: Judgement | None
    num_params: int
    macs: int
    latency_ms: Mapping[str, float]
    metric: str = ACCURACY
    of_classes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def accuracy(self) -> float:
        """The value of a network that names classes."""
        if self.metric != ACCURACY:
            raise AttributeError(f"arch {self.arch.id} is judged by '{self.metric}' and has no accuracy; read value")
        return self.value

    @property
    def accuracy_std(self) -> float:
        """The standard deviation of the accuracy, of a network that names classes."""
        assert self.accuracy == self.value
        return self.std

    def figures(self) -> dict[str, float]:
        test = {} if self.test is None else {f"test_{self.metric}": self.test.value}
        latencies = {f"latency_ms@{device}": ms for device, ms in self.latency_ms.items()}
        own = {self.metric: self.value, f"{self.metric}_std": self.std, "loss": self.loss}
        return {**own, **test, "num_params": self.num_params, "macs": self.macs, **latencies}

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "id": self.arch.id,
            self.metric: self.value,
            f"{self.metric}_std": self.std,
            "loss": self.loss,
            "test": None if self.test is None else self.test.to_json(),
            "num_params": self.num_params,
            "macs": self.macs,
            "latency_ms": dict(self.latency_ms),
            **({"of_classes": {name: dict(each) for name, each in self.of_classes.items()}} if self.of_classes else {}),
            "arch": self.arch.to_json(),
        }


@dataclass(frozen=True)
class ScoredArch(ArchResult):
    """What training-free proxies say of an arch; higher is better.

    Attributes:
        scores: proxy -> score.
    """

    scores: Mapping[str, float]

    def figures(self) -> dict[str, float]:
        return dict(self.scores)

    def to_json(self) -> dict[str, Any]:
        return {"arch": self.arch.to_json(), "id": self.arch.id, "scores": dict(self.scores)}
