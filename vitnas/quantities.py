"""Quantities as people write them: `1.5ms`, `6M`, `300MMACs`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vitnas.errors import SettingsError

_MILLISECONDS = {"s": 1e3, "ms": 1.0, "us": 1e-3}
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_MILLIJOULES = {"J": 1e3, "mJ": 1.0, "uJ": 1e-3}
_COUNTS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
_BYTES = {"B": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse_ms(text: str, flag: str) -> float:
    """Milliseconds of ``"1.5ms"``, ``"800us"`` or ``"0.2s"``; a bare number is refused."""
    return _parse(text, flag, _MILLISECONDS, "1.5ms, 800us or 0.2s")


def parse_duration(text: str, flag: str) -> float:
    """Seconds of ``"90s"``, ``"5m"`` or ``"1.5h"``; a bare number is refused."""
    return _parse(text, flag, _SECONDS, "90s, 5m or 1.5h")


def parse_count(text: str, flag: str) -> float:
    """The number of ``"6M"``, ``"1.3G"`` or ``"5717416"``."""
    return _parse(text, flag, _COUNTS, "6M, 1.3G or 5717416")


def parse_bytes(text: str, flag: str) -> float:
    """Bytes of ``"24MB"`` or ``"16MiB"``; a bare number is refused."""
    return _parse(text, flag, _BYTES, "24MB or 16MiB")


def parse_mj(text: str, flag: str) -> float:
    """Millijoules of ``"5mJ"`` or ``"0.2J"``; a bare number is refused."""
    return _parse(text, flag, _MILLIJOULES, "5mJ or 0.2J")


def _parse(text: str, flag: str, units: dict[str, float], examples: str) -> float:
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*([A-Za-z]*)\s*", text)
    if match is None or match[2] not in units:
        raise SettingsError(f"{flag} {text}: expected a positive number with a unit, such as {examples}")
    value = float(match[1]) * units[match[2]]
    if value <= 0:
        raise SettingsError(f"{flag} {text}: must be more than zero, such as {examples}")
    return value


def format_limits(limits: Mapping[str, float]) -> str:
    """Device -> milliseconds, in words."""
    return " and ".join(f"{ms:g} ms on {device}" for device, ms in limits.items())


def format_count(value: float, digits: int = 4) -> str:
    """A few digits and a unit: 5717416 is ``"5.717M"``."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if abs(value) >= size:
            return f"{value / size:.{digits}g}{unit}"
    return f"{value:.{digits}g}"
