"""A metric with the number of images behind it, and how far off it may be for that."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

ACCURACY = "accuracy"
"""The metric of networks that name one class an image."""
NORMAL_95 = 1.959963984540054


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a share seen in `n` trials (Wilson, 1927); it is right for all or none of few as well."""
    square = NORMAL_95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = NORMAL_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def interval_of(value: float, num_images: int, std: float | None) -> tuple[float, float]:
    """The 95 % interval of a share, or of a metric with a standard deviation."""
    if std is None:
        return wilson(value, num_images)
    return max(0.0, value - NORMAL_95 * std), min(1.0, value + NORMAL_95 * std)


@dataclass(frozen=True)
class Judgement:
    """How good the answers of a network are, and how sure that is.

    Attributes:
        value: of the metric, in 0..1.
        num_images: that were looked at.
        out_of: the images of that split; more than `num_images` where a limit was set.
        metric: what `value` is; the accuracy is the share of images whose class was named right.
        std: standard deviation of the value for so many images drawn at random; None for a share, which tells it itself.
    """

    value: float
    num_images: int
    out_of: int
    metric: str = ACCURACY
    std: float | None = None

    @property
    def interval(self) -> tuple[float, float]:
        """At 95 %, for other images of the same kind."""
        return interval_of(self.value, self.num_images, self.std)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], metric: str = ACCURACY) -> Judgement:
        return cls(data[metric], data["num_images"], data["out_of"], metric, data.get("std"))

    def to_json(self) -> dict[str, Any]:
        return {
            self.metric: self.value,
            **({} if self.std is None else {"std": self.std}),
            "num_images": self.num_images,
            "out_of": self.out_of,
            "interval": list(self.interval),
        }


@dataclass(frozen=True)
class OutOfReach:
    """What is known of an accuracy when the rest of the images could no longer make it matter.

    Attributes:
        at_most: the accuracy if all others were named right.
        num_images: that were looked at.
    """

    at_most: float
    num_images: int


def with_interval(accuracy: float, interval: tuple[float, float] | list[float]) -> str:
    """As people read it: ``91.67 % (86.7 to 94.9)``."""
    low, high = interval
    return f"{accuracy:.2%} ({100 * low:.1f} to {100 * high:.1f})"
