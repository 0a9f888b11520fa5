"""LatencyTable: milliseconds and counts of every layer of a space on one device. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.display import Shown
from vitnas.errors import DeviceError
from vitnas.latency_lut.caveats import caveats_of
from vitnas.latency_lut.parquet import read_rows, write_rows
from vitnas.latency_lut.rows import COUNTS, Header, Row
from vitnas.search_spaces import FLOAT, Codes, SearchSpace

LatencyCost = Callable[[Codes], NDArray[np.float64]]
CountCost = Callable[[Codes], NDArray[np.int64]]

ENOUGH = 50
"""Held-out networks from which on a stated error is more than a rough figure."""


UNTOLD = {"int8_range": "full"}
"""What a fingerprint means that lacks a term: tables written before the term existed still serve."""


@dataclass(frozen=True, eq=False)
class LatencyTable(Shown, view="table"):
    """Costs whole populations of the space it was measured for, and of any space of the same layers."""

    header: Header
    rows: tuple[Row, ...]

    @classmethod
    def read(cls, path: Path) -> LatencyTable:
        return cls(*read_rows(path))

    def write(self, path: Path) -> None:
        write_rows(self.header, self.rows, path)

    @property
    def provenances(self) -> dict[str, int]:
        """How many rows come from where."""
        found = [row.timing.provenance for row in self.rows]
        return {name: found.count(name) for name in dict.fromkeys(found)}

    @property
    def warnings(self) -> list[str]:
        """What a user of these figures must know; empty when the table keeps its promise.

        A search shows them, and with ``--strict`` does not start.
        """
        return caveats_of(self)

    def check_fingerprint(self, fingerprint: Mapping[str, str | int]) -> None:
        """Refuses to be used with figures of a device that differs in anything a latency depends on."""
        differ = differences(self.header.fingerprint, fingerprint)
        if differ:
            shown = "; ".join(f"{name} {here!r} here, {there!r} there" for name, (here, there) in differ.items())
            raise DeviceError(
                f"the '{self.header.device}' table is of another device, though it may bear the same name: {shown}. "
                "Figures of different fingerprints never mix; measure anew with `vitnas profile`"
            )

    @cached_property
    def _by_key(self) -> dict[str, Row]:
        return {row.spec.key: row for row in self.rows}

    def check(self, space: SearchSpace) -> None:
        """Refuses a space that has layers without a row."""
        others = [spec for spec in space.lowering.specs if spec.key not in self._by_key]
        if not others:
            return
        missing = [spec.key for spec in others]
        header = self.header
        if all(spec.precision != FLOAT.name and spec.at(FLOAT.name).key in self._by_key for spec in others):
            lacking = ", ".join(dict.fromkeys(spec.precision for spec in others))
            raise DeviceError(
                f"the '{header.device}' table has no rows at {lacking} for {len(missing)} layers of space '{space.name}'; run "
                f"`vitnas profile ... --device {header.device} --compress`"
            )
        if header.task != space.task:
            why = f"it is for {header.task}, the space for {space.task}"
        elif header.space != space.name:
            why = f"it was measured for space '{header.space}'"
        else:
            why = "the space has changed since"
        shown = "; ".join(missing[:3]) + ("; ..." if len(missing) > 3 else "")
        raise DeviceError(
            f"the '{header.device}' table lacks {len(missing)} of the {len(space.lowering.specs)} layers of space "
            f"'{space.name}': {why}. Missing: {shown}. Make a table with "
            f"`vitnas profile --space {space.name} --device {header.device}`"
        )

    def latency_ms(self, space: SearchSpace) -> LatencyCost:
        """Prepares the latency of whole networks, calibration included, for populations of `space`."""
        total, calibration = space.lowering.total(self.layers_ms(space)), self.header.calibration

        def cost(codes: Codes) -> NDArray[np.float64]:
            return np.maximum(np.asarray(total(codes), dtype=np.float64) + calibration.intercept_ms, 0.0)

        return cost

    def layers_ms(self, space: SearchSpace) -> NDArray[np.float64]:
        """What each layer of the space, in the order of its lowering, adds to the latency of a network."""
        slope = self.header.calibration.slope
        return np.array([slope * row.timing.median_ms + row.residual_ms for row in self.rows_of(space)])

    def latency_std_ms(self, space: SearchSpace) -> LatencyCost:
        """Prepares the standard deviation of `latency_ms`: the rows' errors and the calibration's own."""
        calibration, fidelity = self.header.calibration, self.header.fidelity
        variance = space.lowering.total([(calibration.slope * row.std_ms) ** 2 for row in self.rows_of(space)])
        mean_ms = self.latency_ms(space)
        relative = calibration.error
        if relative is None:
            relative = (fidelity.mape if fidelity else self.header.max_mape) * math.sqrt(math.pi / 2)

        def cost(codes: Codes) -> NDArray[np.float64]:
            return np.sqrt(np.asarray(variance(codes), dtype=np.float64) + (relative * mean_ms(codes)) ** 2)

        return cost

    def counts(self, space: SearchSpace) -> Mapping[str, CountCost]:
        """Prepares each of `COUNTS` for populations of `space`."""
        rows = self.rows_of(space)

        def prepare(name: str) -> CountCost:
            values = np.array([getattr(row, name) for row in rows], dtype=np.int64)
            lowering = space.lowering
            cost = lowering.peak(values) if name == "activation_bytes" else lowering.total(values)
            return lambda codes: cost(codes).astype(np.int64, copy=False)

        return {name: prepare(name) for name in COUNTS}

    def rows_of(self, space: SearchSpace) -> list[Row]:
        """A row for each layer of the space, in the order of its lowering."""
        self.check(space)
        return [self._by_key[spec.key] for spec in space.lowering.specs]


def differences(own: Mapping[str, str | int], other: Mapping[str, str | int]) -> dict[str, tuple[str | int, str | int]]:
    """In what two fingerprints differ, and what each of them says."""
    own, other = ({**UNTOLD, **told} for told in (own, other))
    pairs = {name: (own.get(name, "not told"), other.get(name, "not told")) for name in {**own, **other}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
