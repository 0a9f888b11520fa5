"""Objectives: what a search weighs, and which way is better."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SettingsError, suggest

Direction = Literal["maximise", "minimise"]

MAXIMISED = ("accuracy", "score")
"""Quantities of which more is better; of all others (milliseconds, counts, losses) less is."""

SHORT = {
    "latency": "latency_ms",
    "energy": "energy_mj",
    "params": "num_params",
    "memory": "activation_bytes",
    "size": "weight_bytes",
}
"""What people call quantities."""

OF_A_DEVICE = ("latency_ms", "energy_mj")
"""Quantities that each device has its own of; a search for several devices calls them ``latency_ms@iphone12``."""


def on(quantity: str, device: str, devices: Sequence[str]) -> str:
    """The name of a device's quantity in a search for these devices."""
    return quantity if len(devices) == 1 else f"{quantity}@{device}"


def std_of(name: str) -> str:
    """The name of the standard deviation of a quantity: ``latency_ms_std@iphone12``."""
    quantity, at, device = name.partition("@")
    return f"{quantity}_std{at}{device}"


def spell_out(name: str, devices: Sequence[str], where: str) -> list[str]:
    """The full names of a quantity as people write it, one for each device that it is meant for.

    Args:
        name: such as ``latency``, ``latency_ms`` or ``latency@iphone12``.
        devices: of the search.
        where: the setting or flag, for messages.
    """
    written, at, device = name.partition("@")
    quantity = SHORT.get(written, written)
    if at and quantity not in OF_A_DEVICE:
        raise SettingsError(f"{where} {name}: {quantity} is the same on every device; write it without '@{device}'")
    if at and device not in devices:
        raise SettingsError(f"{where} {name}: the search is not for that device; {suggest(device, devices)}")
    if quantity not in OF_A_DEVICE:
        return [quantity]
    return [on(quantity, one, devices) for one in ([device] if at else devices)]


@dataclass(frozen=True)
class Objective:
    """A quantity by name, with its unit in the name, and the direction that is better."""

    name: str
    direction: Direction

    @classmethod
    def named(cls, name: str) -> Objective:
        return cls(name, "maximise" if name in MAXIMISED else "minimise")

    @property
    def sign(self) -> float:
        """Turns values into ones to minimise, and back."""
        return -1.0 if self.direction == "maximise" else 1.0


def non_dominated(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows of ``(n, k)`` values, all to minimise, no other row beats; equal rows all stay."""
    from moocore import is_nondominated  # type: ignore[import-untyped]

    # It compares wrongly with infinities where there are three columns or more.
    largest = np.finfo(np.float64).max
    finite = np.clip(np.asarray(values, dtype=np.float64), -largest, largest)
    return np.asarray(is_nondominated(finite, keep_weakly=True), dtype=np.bool_)


def to_minimise(columns: Sequence[NDArray[np.float64]], objectives: Sequence[Objective]) -> NDArray[np.float64]:
    """``(n, k)`` from one array an objective, each with its better side down."""
    return np.stack(
        [o.sign * np.asarray(c, dtype=np.float64) for o, c in zip(objectives, columns, strict=True)], axis=1
    )
