"""The rows of a latency table, and the header that says what they have in common."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from vitnas.latency_lut.calibration import Calibration, Fidelity
from vitnas.latency_lut.protocol import Timing
from vitnas.search_spaces import Arch, LayerSpec, Task

COUNTS = ("num_params", "macs", "weight_bytes", "activation_bytes", "bitops")
"""The counts of a row: sums over a network, but for activation_bytes, whose peak counts."""


@dataclass(frozen=True)
class Row:
    """One layer: its net time, without the overhead of a call, and what it counts on any device.

    Attributes:
        spec: the layer.
        timing: of a layer that was not measured, the most likely time; IQR, minimum and 90th percentile are
            then those of the normal distribution that the interpolation states (the 10th percentile as
            the minimum), and there are no blocks.
        residual_ms: what it costs in a network beyond its share of the sum, see `Calibration`; of any sign.
    """

    spec: LayerSpec
    timing: Timing
    num_params: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    bitops: int
    residual_ms: float = 0.0

    @property
    def std_ms(self) -> float:
        """How far the median may be off."""
        return self.timing.std_ms


@dataclass(frozen=True)
class WholeNetwork:
    """A network timed end to end beside the sum of its layers and what the table says.

    Attributes:
        arch: its id.
        genes: the arch, as `Arch.to_json` writes them.
        sum_ms: of its layers alone.
        predicted_ms: what the table says; of a network that was fitted, by a fit without it.
        std_ms: the standard deviation that the table states for that.
        measured_ms: what it took.
        held_out: not used by the fit.
    """

    arch: str
    genes: dict[str, Any]
    sum_ms: float
    predicted_ms: float
    std_ms: float
    measured_ms: float
    held_out: bool

    @classmethod
    def of(
        cls, arch: Arch, sum_ms: float, predicted_ms: float, std_ms: float, measured_ms: float, held_out: bool
    ) -> WholeNetwork:
        figures = (float(sum_ms), float(predicted_ms), float(std_ms), float(measured_ms))
        return cls(arch.id, arch.to_json()["genes"], *figures, held_out)


@dataclass(frozen=True)
class ReferenceNetwork:
    """The network that whole networks were timed beside, and what it took; timed again it tells the machine's speed.

    Attributes:
        genes: the arch, as `Arch.to_json` writes them.
        took_ms: when the table was measured.
    """

    genes: dict[str, Any]
    took_ms: float

    @classmethod
    def of(cls, arch: Arch, took_ms: float) -> ReferenceNetwork:
        return cls(arch.to_json()["genes"], float(took_ms))


@dataclass(frozen=True)
class Header:
    """What the rows of a table have in common.

    Attributes:
        device: the name of the device.
        fingerprint: what it was at the time, see `Device.fingerprint`.
        space: the space whose layers were measured, with its fingerprint and task.
        overhead_ms: a call that computes nothing; it is taken off every row.
        reference_ms: what the device's own small reference network took meanwhile.
        beside: the reference of the whole networks, where it was one of the space.
        calibration: from sums of layers to whole networks.
        fidelity: how well that works on networks it was not fitted to; None when none were left.
        max_mape: the error this table promises to stay under.
        networks: the networks behind calibration and fidelity.
        settings: how it was measured.
        interpolation: of every kind of layer with rows that were not measured, the mean relative error of
            measured ones when predicted from the others.
        source: the table or file that the figures were taken from, if not measured by vitnas.
        created: date and time, UTC.
        vitnas: the version that wrote it.
    """

    device: str
    fingerprint: dict[str, str | int]
    space: str
    space_fingerprint: str
    task: Task
    overhead_ms: float
    reference_ms: float
    calibration: Calibration
    fidelity: Fidelity | None
    max_mape: float
    networks: tuple[WholeNetwork, ...] = ()
    beside: ReferenceNetwork | None = None
    settings: dict[str, float | int] = field(default_factory=dict)
    interpolation: dict[str, float] = field(default_factory=dict)
    source: str = ""
    created: str = ""
    vitnas: str = ""
