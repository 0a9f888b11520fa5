"""Tally: how good the answers of one network are, batch by batch; and what comes of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vitnas.supernets.judgement import ACCURACY, Judgement

Floats = NDArray[np.float64]

DRAWS = 200
"""Samples of the images, drawn with repetition, whose spread is that of a metric which is no share."""


@dataclass(frozen=True)
class EvaluationResult:
    """A metric in 0..1, higher being better, and a mean loss over `num_images` images.

    Attributes:
        value: of the metric.
        loss: mean loss from the truth alone.
        num_images: how many were looked at.
        right: where the metric is a share of images, one answer an image, in their order; else none.
        metric: the name of what `value` is.
        sampled: where the metric is no share of images, its standard deviation over samples of them.
        of_classes: figure -> its value for each class, not a number where no image tells it.
    """

    value: float
    loss: float
    num_images: int
    right: NDArray[np.bool_] = field(repr=False, compare=False)
    metric: str = ACCURACY
    sampled: float | None = None
    of_classes: Mapping[str, tuple[float, ...]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def accuracy(self) -> float:
        """The value of a network that names classes."""
        if self.metric != ACCURACY:
            raise AttributeError(f"this network is judged by '{self.metric}' and has no accuracy; read value")
        return self.value

    @property
    def std(self) -> float:
        """Standard deviation of the value for so many images drawn at random.

        Of a share one more right and one more wrong are added (Agresti and Coull), so that all right is not without an error.
        """
        if self.sampled is not None:
            return self.sampled
        n = self.num_images + 2
        share = (self.value * self.num_images + 1) / n
        return math.sqrt(share * (1 - share) / n)

    @property
    def accuracy_std(self) -> float:
        """The standard deviation of the accuracy, of a network that names classes."""
        assert self.accuracy == self.value
        return self.std

    def judgement(self, out_of: int) -> Judgement:
        """The same with the number of images of the split, as reports hold it."""
        return Judgement(self.value, self.num_images, out_of, self.metric, self.sampled)


class Tally(ABC):
    """What is counted of one network's answers."""

    @abstractmethod
    def add(self, logits: Tensor, truth: Tensor) -> None:
        """The answers to the next images."""

    def at_most(self, num_images: int) -> float:
        """What the metric can still be over so many images in all, were all that follow answered right; 1 where nothing tells."""
        return 1.0

    @abstractmethod
    def result(self) -> EvaluationResult:
        """Over all images that were added."""


def spread(metric: Callable[[Floats], Floats], num_images: int) -> float:
    """The standard deviation of a metric over samples of the images, drawn with repetition, the same every time.

    Args:
        metric: from how often each sample has each image, (draws, N), to its value for each.
        num_images: N.
    """
    rng = np.random.default_rng(0)
    times = rng.multinomial(num_images, np.full(num_images, 1 / num_images), size=DRAWS).astype(np.float64)
    values = metric(times)
    return float(np.nanstd(values)) if np.isfinite(values).any() else 0.0


NO_ANSWERS: NDArray[np.bool_] = np.zeros(0, np.bool_)
