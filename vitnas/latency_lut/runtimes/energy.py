"""Energy counters of the processor, where Linux shows them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


def energy_meter(folder: Path = POWERCAP) -> Callable[[], float] | None:
    """Tells the millijoules that all processor packages have spent so far (RAPL).

    None where there are no counters, as in most virtual machines, or where only root may read them.
    """
    packages = [p for p in sorted(folder.glob("intel-rapl:*")) if p.name.count(":") == 1]
    try:
        counters = [_counter(package) for package in packages]
    except (OSError, ValueError):
        return None
    return (lambda: sum(counter() for counter in counters)) if counters else None


def _counter(package: Path) -> Callable[[], float]:
    """A counter that goes on where the platform's own begins again at zero."""
    file, span = package / "energy_uj", int((package / "max_energy_range_uj").read_text())
    last, turns = int(file.read_text()), 0

    def millijoules() -> float:
        nonlocal last, turns
        now = int(file.read_text())
        turns += now < last
        last = now
        return (turns * span + now) / 1e3

    return millijoules
