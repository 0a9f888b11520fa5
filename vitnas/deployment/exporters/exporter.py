"""Exporter: writes a network in one format, and runs what it wrote so that it can be checked."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from torch import Tensor, nn

from vitnas.latency_lut.runtimes.saturation import FULL_BITS, SelfTest, WeightRange, weight_range
from vitnas.latency_lut.settings import Int8Range
from vitnas.search_spaces.precision import Precision


@dataclass(frozen=True)
class Facts:
    """What travels inside an artefact besides its weights.

    Attributes:
        space: the search space of the arch.
        arch_id: the arch.
        dataset: what the weights were trained on.
        mean: per channel; an input is ``(pixel / 255 - mean) / std``.
        std: per channel.
        num_classes: logits of one image.
        labels: the name of each class; none for a layer alone.
        device: the name of the device that the arch was chosen for, where one is known.
        answer: what the network answers, where that is not one class an image.
    """

    space: str
    arch_id: str
    dataset: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    num_classes: int
    labels: tuple[str, ...] = ()
    device: str | None = None
    answer: str | None = None

    def as_text(self) -> dict[str, str]:
        """For formats that keep strings by name: text as it is, all else as JSON."""
        return {
            f"vitnas.{name}": value if isinstance(value, str) else json.dumps(value)
            for name, value in asdict(self).items()
            if value
        }


@dataclass(frozen=True)
class Tolerance:
    """How far an artefact may stray from its network.

    Attributes:
        max_difference: of any logit, in units of the network's logits (see `Parity`).
        top1_agreement: at least this share of the images keeps its best class.
        accuracy_drop: at most this much accuracy is lost.
        mean_difference: as `max_difference`, the mean over all logits; None sets no limit.
    """

    max_difference: float
    top1_agreement: float
    accuracy_drop: float
    mean_difference: float | None = None


EXACT = Tolerance(max_difference=1e-4, top1_agreement=0.99, accuracy_drop=0.01)
"""For formats that keep fp32."""
ROUNDED = Tolerance(max_difference=2.0, top1_agreement=0.95, accuracy_drop=0.01, mean_difference=0.1)
"""The most for networks with layers at other precisions, see `vitnas.deployment.compressed.limits`."""


class Exporter(ABC):
    """One format. A new one is a file with a subclass and a line in `EXPORTERS`."""

    name: ClassVar[str]
    limits: ClassVar[Tolerance] = EXACT
    quantises: ClassVar[bool] = False
    """Whether it makes all layers int8, whatever an arch says."""
    most_flips: ClassVar[float | None] = None
    """Of a format that computes in half precision, the share of choices of tokens that may come out otherwise than in fp32."""
    int8_range: Int8Range = "auto"
    """How wide weights are asked to be; only formats that quantise look at it."""

    def missing(self) -> str | None:
        """What keeps this format from being written here, and the remedy; None where nothing does."""
        return None

    def refuses(self, precision: Precision) -> str | None:
        """Why no layer can be at a precision other than float in this format; None where one can."""
        return "it keeps every layer in float"

    def strays(self, path: Path, network: nn.Module) -> dict[str, str]:
        """The layers of an artefact, by site, that are not computed or kept at their precision, and what is done instead."""
        return {}

    def rounds_besides(self, path: Path, network: nn.Module) -> list[str]:
        """The sites whose activations a runtime rounds though their precision is of weights alone."""
        return []

    @abstractmethod
    def export(self, network: nn.Module, example: Tensor, facts: Facts, folder: Path) -> Path:
        """Writes the artefact into a folder and says where.

        Args:
            network: in evaluation mode; its children carry the names of the sites.
            example: ``(N, *input)``, at least two training inputs. Shapes are read from it, and
                formats that measure ranges of activations measure them on all of it. The
                artefact takes any N.
            facts: kept inside the artefact, where the format has a place for them.
            folder: exists; the file name is the format's own.
        """

    def self_test(self) -> SelfTest | None:
        """Whether products of integers saturate here, of a format whose kernels may have that fault."""
        return None

    def weights(self) -> WeightRange | None:
        """How wide a format that quantises makes its weights here, and why."""
        test = self.self_test() if self.quantises else None
        return None if test is None else weight_range(self.int8_range, test)

    def saturated(self, bits: int) -> str | None:
        """What is wrong with an artefact whose weights have so many bits, where its sums saturate on this processor."""
        test = self.self_test()
        if bits < FULL_BITS or test is None or not test.saturates:
            return None
        return (
            f"its weights have {bits} bits and {test}, so its answers are off here; export it with --int8-range reduced"
        )

    @abstractmethod
    def run(self, path: Path, x: Tensor) -> Tensor:
        """What the artefact answers: ``(N, *input) -> (N, *output)`` in fp32."""

    def latency_ms(self, path: Path, x: Tensor) -> float | None:
        """The median time that the artefact takes for an image (1, *input) here; None where it does not run as it is deployed."""
        return None

    def usage(self, file: str, shape: tuple[int, ...]) -> str:
        """A few lines of Python for the model card that run the artefact; empty where Python is not how it is used.

        Args:
            file: the artefact, relative to the card.
            shape: of one input.
        """
        return ""


def size_bytes(path: Path) -> int:
    """Of an artefact, be it a file or a folder."""
    return path.stat().st_size if path.is_file() else sum(f.stat().st_size for f in path.rglob("*") if f.is_file())
