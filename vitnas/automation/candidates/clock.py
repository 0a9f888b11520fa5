"""How long networks take on the devices that limits are set for: by the clock where a device is here, else estimated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitnas.errors import DataError
from vitnas.files import read_json, write_json
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.search_spaces import Arch, SearchSpace


class Clock:
    """Milliseconds of whole networks on some devices. Each network is timed once; a file remembers."""

    def __init__(self, limits: Mapping[str, float], file: Path | None = None) -> None:
        """Refuses devices that cannot time anything here.

        Args:
            limits: device -> the most milliseconds.
            file: keeps what was timed, and is read again.
        """
        self.limits = dict(limits)
        self.devices = {name: load_device(name) for name in limits}
        for device in self.devices.values():
            device.check_at_hand()
        self._settings = ProfileSettings.quick()
        self._file = file
        self._known: dict[str, float] = _read(file) if file is not None and file.is_file() else {}

    def ms(self, space: SearchSpace, archs: Sequence[Arch]) -> list[dict[str, float]]:
        """Device -> milliseconds, for each arch."""
        found: list[dict[str, float]] = [{} for _ in archs]
        for name, device in self.devices.items():
            keys = [f"{name} {space.fingerprint} {arch.id}" for arch in archs]
            new = {key: arch for key, arch in zip(keys, archs, strict=True) if key not in self._known}
            if new:
                timings = device.time([space.lower(arch) for arch in new.values()], self._settings)
                for key, timing in zip(new, timings, strict=True):
                    self._known[key] = timing.median_ms
                    if self._file is not None:
                        write_json(self._file, self._known)
            for one, key in zip(found, keys, strict=True):
                one[name] = self._known[key]
        return found

    def share(self, ms: Mapping[str, float]) -> float:
        """The largest share of a limit that a network takes; up to 1 it keeps all of them."""
        return max(ms[name] / most for name, most in self.limits.items())


def _read(file: Path) -> dict[str, float]:
    data: Any = read_json(file)
    if not isinstance(data, dict) or not all(isinstance(ms, int | float) for ms in data.values()):
        raise DataError(f"'{file}' holds no latencies; remove it, and they are taken anew")
    return {str(key): float(ms) for key, ms in data.items() if key != "seal"}
