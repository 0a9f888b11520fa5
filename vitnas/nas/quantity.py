"""Quantity: what a figure of an arch measures, read from its name in files and printed as that name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vitnas.errors import SettingsError, suggest

Direction = Literal["maximise", "minimise"]

SHORT = {
    "latency": "latency_ms",
    "energy": "energy_mj",
    "params": "num_params",
    "memory": "activation_bytes",
    "size": "weight_bytes",
}
"""What people call quantities."""

LATENCY, ENERGY = "latency_ms", "energy_mj"
OF_A_DEVICE = (LATENCY, ENERGY)
"""Quantities that each device has its own of; a search for several devices calls them ``latency_ms@iphone12``."""

UNITS = {"ms": "ms", "mj": "mJ", "bytes": "bytes"}
"""The last word of a name -> the unit it stands for."""

STD = "_std"


@dataclass(frozen=True)
class Quantity:
    """One kind of figure, such as ``latency_ms``, ``latency_ms@iphone12`` or ``latency_ms_std@iphone12``.

    Attributes:
        name: what is measured, with its unit as the last word.
        device: where, in a search for several devices; None for one device, and for what is the same on all.
        is_std: whether the figure is the standard deviation of that quantity.
    """

    name: str
    device: str | None = None
    is_std: bool = False

    @classmethod
    def parse(cls, text: str) -> Quantity:
        """Reads a name as files have it; `str` gives it back."""
        name, at, device = text.partition("@")
        return cls(name.removesuffix(STD), device if at else None, name.endswith(STD))

    def __str__(self) -> str:
        at = "" if self.device is None else f"@{self.device}"
        return f"{self.name}{STD if self.is_std else ''}{at}"

    @property
    def unit(self) -> str:
        """``ms``, ``mJ`` or ``bytes``; empty for shares and counts."""
        return UNITS.get(self.name.rpartition("_")[2], "")

    @property
    def direction(self) -> Direction:
        """Which way is better."""
        return "maximise" if self.name in maximised() else "minimise"

    @property
    def is_latency(self) -> bool:
        return self.name.partition("_")[0] == "latency" and not self.is_std

    @property
    def is_of_a_device(self) -> bool:
        """Whether every device has its own."""
        return self.name in OF_A_DEVICE

    @property
    def std(self) -> Quantity:
        """Its standard deviation."""
        return replace(self, is_std=True)

    def on(self, device: str | None, devices: Sequence[str | None]) -> Quantity:
        """The same on one of the devices of a search; a search for one device does not name it."""
        return replace(self, device=device if len(devices) > 1 else None)

    def concerns(self, device: str) -> bool:
        """Whether it says something of a device: measured there, or the same everywhere."""
        return self.device in (None, device)

    @property
    def without_device(self) -> Quantity:
        """The same as a search for its device alone calls it."""
        return replace(self, device=None)


def maximised() -> tuple[str, ...]:
    """Quantities of which more is better; of all others (milliseconds, counts, losses) less is."""
    from vitnas.search_spaces.answers import metrics  # settings know quantities, and load no space

    return (*metrics(), "score")


def std_of(name: str) -> str:
    """The name of the standard deviation of a quantity: ``latency_ms_std@iphone12``."""
    return str(Quantity.parse(name).std)


def spell_out(text: str, devices: Sequence[str], where: str) -> list[str]:
    """The full names of a quantity as people write it, one for each device that it is meant for.

    Args:
        text: such as ``latency``, ``latency_ms`` or ``latency@iphone12``.
        devices: of the search.
        where: the setting or flag, for messages.
    """
    written = Quantity.parse(text)
    quantity = replace(written, name=SHORT.get(written.name, written.name))
    if quantity.device is not None and not quantity.is_of_a_device:
        raise SettingsError(
            f"{where} {text}: {quantity.name} is the same on every device; write it without '@{quantity.device}'"
        )
    if quantity.device is not None and quantity.device not in devices:
        raise SettingsError(f"{where} {text}: the search is not for that device; {suggest(quantity.device, devices)}")
    if not quantity.is_of_a_device:
        return [str(quantity)]
    meant = devices if quantity.device is None else [quantity.device]
    return [str(quantity.on(device, devices)) for device in meant]
