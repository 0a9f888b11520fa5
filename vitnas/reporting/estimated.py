"""The estimate of one network on a device that nobody connected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vitnas.display import Shown
from vitnas.latency_lut.estimate import Estimate, EstimateModel


@dataclass(frozen=True)
class NetworkEstimate(Shown, view="estimate"):
    """What a network would take, by a model and not by a clock.

    Attributes:
        network: what was asked about.
        model: that made the estimate.
        found: the estimate.
        parts_ms: milliseconds of each kind of layer or operator; the rest is what a call costs.
    """

    network: str
    model: EstimateModel
    found: Estimate
    parts_ms: Mapping[str, float]

    @property
    def device(self) -> str:
        return self.found.device

    @property
    def latency_ms(self) -> float:
        """Of a call, if the network stays on the accelerator."""
        return self.found.ms

    @property
    def interval_90_ms(self) -> tuple[float, float] | None:
        """What holds the true value of nine networks in ten; None where none is stated."""
        return self.found.interval_90_ms

    def to_json(self) -> dict[str, Any]:
        """Everything that is known about the estimate, as `vitnas estimate --json` prints it."""
        from vitnas.reporting.terminal.estimates import describe_estimate

        return describe_estimate(self.model, self.network, self.found, self.parts_ms)
