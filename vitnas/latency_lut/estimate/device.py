"""Devices that nobody here can touch: their times are estimates, and say so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from vitnas import __version__
from vitnas.latency_lut.calibration import Calibration
from vitnas.latency_lut.devices.device import Device, reference_network
from vitnas.latency_lut.estimate.model import EstimateModel, load_model
from vitnas.latency_lut.protocol import IQR_OF_NORMAL, Timing
from vitnas.latency_lut.rows import Header, Row
from vitnas.latency_lut.settings import TimingSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Blueprint, LayerSpec, SearchSpace

P90 = 1.2816
"""The 90th percentile of a normal distribution, in standard deviations."""
MAX_MAPE = 0.1
"""A table whose error is above this is marked, as a measured one is."""


class EstimatedDevice(Device):
    """A device of the shipped model. A network costs its constant and the sum of its layers, each alone."""

    origin = "estimated"

    def __init__(self, name: str) -> None:
        self.name = name
        self._target = self._model.target(name)
        fidelity = self._target.accuracy.fidelity
        self.stated_error = f"MAPE {fidelity.mape:.1%} on unseen families"

    @cached_property
    def _model(self) -> EstimateModel:
        return load_model(self.name)

    def fingerprint(self) -> dict[str, str | int]:
        return {
            "runtime": f"{self._model.runtime}, estimated",
            "precision": self._model.precision,
            "threads": 0,
            "batch": self._model.batch,
            "processor": self._target.chip,
            "model": self._model.fitted,
        }

    def time(
        self, blueprints: Sequence[Blueprint], settings: TimingSettings, reference: Blueprint | None = None
    ) -> Iterator[Timing]:
        """No clock runs: `settings` change nothing, and no timing rests on any block."""
        self.check_precisions(dict.fromkeys(spec.precision for blueprint in blueprints for spec in blueprint))
        for blueprint in blueprints:
            yield self._timing(self._model.network_ms(self.name) + self.layers_ms(blueprint))

    def layers_ms(self, layers: Iterable[LayerSpec]) -> float:
        """The sum of some layers, without what each call of a network costs."""
        from vitnas.latency_lut.estimate.networks import layer_ops

        return float(sum(self._model.op_ms(layer_ops(spec), self.name).sum() for spec in layers))

    def table(self, space: SearchSpace) -> LatencyTable:
        """The table of a whole space; its stated error is the model's on families that it was not fitted to."""
        from vitnas.supernets.counting.cache import count_specs

        self.check_precisions(dict.fromkeys(spec.precision for spec in space.lowering.specs))
        counts = count_specs(space)
        rows = tuple(
            Row(spec, self._timing(self.layers_ms([spec])), **asdict(found))
            for spec, found in zip(space.lowering.specs, counts, strict=True)
        )
        fixed_ms = self._model.network_ms(self.name)
        header = Header(
            device=self.name,
            fingerprint=self.fingerprint(),
            space=space.name,
            space_fingerprint=space.fingerprint,
            task=space.task,
            overhead_ms=fixed_ms,
            reference_ms=self._reference_ms,
            calibration=Calibration(fixed_ms, 1.0, error=self._model.relative_std(self.name)),
            fidelity=self._target.accuracy.fidelity,
            max_mape=MAX_MAPE,
            source=f"estimated, not measured: a model of {self._model.fitted} fitted to published latencies",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            vitnas=__version__,
        )
        return LatencyTable(header, rows)

    @cached_property
    def _reference_ms(self) -> float:
        return self._model.network_ms(self.name) + self.layers_ms(reference_network())

    def _timing(self, ms: float) -> Timing:
        sigma = self._target.accuracy.sigma
        return Timing(
            ms, ms * self._model.relative_std(self.name) * IQR_OF_NORMAL, ms * math.exp(-P90 * sigma),
            ms * math.exp(P90 * sigma), 0, self._reference_ms, "estimated",
        )  # fmt: skip


def iphone12() -> EstimatedDevice:
    return EstimatedDevice("iphone12")


def iphone13() -> EstimatedDevice:
    return EstimatedDevice("iphone13")


def iphone14() -> EstimatedDevice:
    return EstimatedDevice("iphone14")


def galaxy_s24_npu() -> EstimatedDevice:
    return EstimatedDevice("galaxy-s24-npu")


def i7_12700h() -> EstimatedDevice:
    return EstimatedDevice("i7-12700h")


def rtx4090() -> EstimatedDevice:
    return EstimatedDevice("rtx4090")


def write_estimates(space: SearchSpace, device: EstimatedDevice, path: Path) -> LatencyTable:
    """The table of a space, on disk."""
    table = device.table(space)
    table.write(path)
    return table


def op_shares(kinds: Sequence[str], times_ms: Sequence[float]) -> dict[str, float]:
    """Milliseconds of each kind, the largest first."""
    found: dict[str, float] = {}
    for kind, ms in zip(kinds, np.asarray(times_ms).tolist(), strict=True):
        found[kind] = found.get(kind, 0.0) + ms
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))
