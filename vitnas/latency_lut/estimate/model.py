"""EstimateModel: the fitted prices, what they say about a network, and how far off they were. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import msgspec
import numpy as np

from vitnas.errors import UnknownNameError, suggest
from vitnas.latency_lut.calibration import Fidelity
from vitnas.latency_lut.estimate.cost import Floats, OperatorWork, Prices
from vitnas.latency_lut.estimate.ops import Op
from vitnas.latency_lut.estimate.placement import Flag, Placement, placement

MODELS = {
    "iphone12": "apple",
    "iphone13": "apple",
    "iphone14": "apple",
    "galaxy-s24-npu": "galaxy-s24-npu",
    "i7-12700h": "i7-12700h",
    "rtx4090": "rtx4090",
}
"""The file of every device."""


@dataclass(frozen=True)
class EstimateAccuracy:
    """How far the model was off on networks whose whole family it was not fitted to.

    Attributes:
        fidelity: over networks at a resolution that did not fall back.
        families: how many of them there were.
        sigma: of ln(measured / estimated): 68 % lay within it.
        within_sigma: the share within the interval of 68 % that all other families gave.
        within_90: the share within the interval of 90 % that all other families gave.
        reach_90: as sigma, 90 % lay within it; None in models of before it was stated.
    """

    fidelity: Fidelity
    families: int
    sigma: float
    within_sigma: float
    within_90: float
    reach_90: float | None = None


@dataclass(frozen=True)
class EstimatedTarget:
    """One device of the model; `flag` is None where rows do not tell what fell back."""

    chip: str
    factor: float
    rows: int
    accuracy: EstimateAccuracy
    flag: Flag | None = None


@dataclass(frozen=True)
class FallBack:
    """What networks that fell back took beyond their estimate: the median and the quartiles.

    A network that leaves the engine pays for the way there and back, which hardly depends on its size.
    """

    rows: int
    extra_ms: float
    low_ms: float
    high_ms: float


@dataclass(frozen=True)
class Estimate:
    """What a network would take, by a model and not by a clock.

    Attributes:
        device: where.
        ms: of a call, if the network stays on the accelerator.
        std_ms: standard deviation of the true value around it, for a network of an unknown family.
        interval_90_ms: what holds the true value of nine networks in ten of unknown families; None where none is stated.
        network_ms: the part of `ms` that every call costs.
        op_ms: the part of each operator.
        placement: where it is likely to run; None where nothing is known of that.
        fallback_ms: quartiles of what it takes if it falls back, the median in the middle; None unless `placement` says so.
    """

    device: str
    ms: float
    std_ms: float
    interval_90_ms: tuple[float, float] | None
    network_ms: float
    op_ms: Floats
    placement: Placement | None
    fallback_ms: tuple[float, float, float] | None


@dataclass(frozen=True)
class EstimateModel:
    """Plain numbers in a JSON file: members, devices, errors and where the measurements were published.

    Attributes:
        format: of the file.
        fitted: the date of the fit.
        runtime: what the measured networks ran on.
        precision: of theirs.
        batch: images of a call.
        members: their mean is the estimate.
        devices: what can be estimated.
        fallback: of all rows that fell back; None where rows do not tell.
        sources: the publications whose measurements the prices were fitted to.
    """

    format: int
    fitted: str
    runtime: str
    precision: str
    batch: int
    members: tuple[Prices, ...]
    devices: Mapping[str, EstimatedTarget]
    fallback: FallBack | None
    sources: tuple[str, ...]

    def target(self, device: str) -> EstimatedTarget:
        if device not in self.devices:
            raise UnknownNameError(f"no estimate for device '{device}' in this model; {suggest(device, self.devices)}")
        return self.devices[device]

    def network_ms(self, device: str) -> float:
        return self.target(device).factor * float(np.mean([m.network_ms for m in self.members]))

    def op_ms(self, ops: Sequence[Op], device: str) -> Floats:
        """Milliseconds of each operator; a network is `network_ms` and their sum."""
        factor, work = self.target(device).factor, OperatorWork.of(ops)
        mean: Floats = np.mean([m.cost_ms(work) for m in self.members], axis=0)
        return factor * mean

    def estimate(self, ops: Sequence[Op], device: str) -> Estimate:
        each, fixed, fell = self.op_ms(ops, device), self.network_ms(device), self.fallback
        ms, placed = fixed + float(each.sum()), self.placement(ops, device)
        back = (
            (ms + fell.low_ms, ms + fell.extra_ms, ms + fell.high_ms) if fell and placed and placed.falls_back else None
        )
        return Estimate(
            device, ms, ms * self.relative_std(device), self.interval_90_ms(ms, device), fixed, each, placed, back
        )

    def placement(self, ops: Sequence[Op], device: str) -> Placement | None:
        """Where a network is likely to run, by the rules that networks known on the device bear out."""
        flag = self.target(device).flag
        return None if flag is None else placement(ops, flag.support)

    def interval_90_ms(self, ms: float, device: str) -> tuple[float, float] | None:
        """Around an estimate, for a network of a family that the model has not seen."""
        reach = self.target(device).accuracy.reach_90
        return None if reach is None else (ms * math.exp(-reach), ms * math.exp(reach))

    def relative_std(self, device: str) -> float:
        sigma = self.target(device).accuracy.sigma
        return math.sqrt(math.expm1(sigma**2) * math.exp(sigma**2))


@lru_cache
def load_model(device: str) -> EstimateModel:
    """The model of a device that vitnas comes with."""
    if device not in MODELS:
        raise UnknownNameError(f"no estimate for device '{device}'; {suggest(device, MODELS)}")
    text = resources.files("vitnas.latency_lut.estimate").joinpath("models", f"{MODELS[device]}.json").read_bytes()
    return msgspec.json.decode(text, type=EstimateModel)


def factor_90(device: str) -> float | None:
    """By how much the true value is off an estimate of this device at most, nine times in ten; None of other devices."""
    reach = load_model(device).target(device).accuracy.reach_90 if device in MODELS else None
    return None if reach is None else math.exp(reach)
