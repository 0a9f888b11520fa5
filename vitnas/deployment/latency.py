"""What a network takes on devices that are here, beside what was predicted and at the speed of that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from vitnas.deployment.agreement import Agreement, Predicted
from vitnas.errors import DeviceError, UnknownNameError
from vitnas.latency_lut.devices import Device, load_device
from vitnas.latency_lut.devices.device import INTEGERS
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.sitting import BUSY, Reading, Sitting
from vitnas.latency_lut.table import LatencyTable, differences
from vitnas.run import RunFolder
from vitnas.search_spaces import Blueprint, SearchSpace

TRIES = 3
"""How often a network is timed at most while the machine is busy."""
PAUSE_S = 5.0
"""Seconds between two tries."""


@dataclass(frozen=True)
class Then:
    """When the figures that a network is held against were measured.

    Attributes:
        sitting: None where nothing tells how fast the machine was.
        unknown: why not.
        caveats: of the table.
    """

    sitting: Sitting | None = None
    unknown: str = ""
    caveats: Sequence[str] = ()

    @classmethod
    def of_table(cls, space: SearchSpace, path: Path) -> Then:
        """Of a file; what is wrong with it is told and nothing more, since only the comparison is lost."""
        try:
            table = LatencyTable.read(path)
            sitting = Sitting.of_table(space, table)
        except DeviceError as error:
            return cls(unknown=str(error))
        unknown = "" if sitting is not None else f"'{path}' does not say what a reference took"
        return cls(sitting, unknown, tuple(table.warnings))

    @classmethod
    def of_tables(
        cls, space: SearchSpace, devices: Iterable[str], given: Mapping[str, Path], run: RunFolder | None
    ) -> dict[str, Then]:
        """Of each device that has a table: a given one, or that of the run."""
        places = {name: given.get(name) or (run.latency_file(name) if run is not None else None) for name in devices}
        return {name: cls.of_table(space, path) for name, path in places.items() if path is not None and path.is_file()}

    def here(self, device: Device) -> Then:
        """The same, without the sitting if that was on another machine or runtime."""
        if self.sitting is None or not self.sitting.fingerprint:
            return self
        told = self.sitting.fingerprint
        differ = differences(told, device.fingerprint_of(mixed=INTEGERS in told))
        if not differ:
            return self
        shown = "; ".join(f"{name} {one!r} then, {other!r} here" for name, (one, other) in differ.items())
        return Then(None, f"the {self.sitting.of} is of another machine or runtime: {shown}", self.caveats)


def devices_here(wanted: Iterable[str], where_possible: Iterable[str]) -> list[Device]:
    """Devices that can time a network now.

    Args:
        wanted: names of those that must be here; refused where one is not.
        where_possible: names of those that are left out where they are not here, such as a phone.
    """
    found: dict[str, Device] = {}
    demanded = set(wanted)
    for name in dict.fromkeys([*wanted, *where_possible]):
        try:
            device = load_device(name)
            missing = device.missing() if device.origin == "measured here" else "it is not measured here"
            if missing:
                raise DeviceError(f"device '{name}' cannot time the network: {missing}")
        except (DeviceError, UnknownNameError):
            if name in demanded:
                raise
            continue
        found[name] = device
    return list(found.values())


def compare_latencies(
    blueprint: Blueprint,
    devices: Sequence[Device],
    predicted: Mapping[str, Predicted],
    then: Mapping[str, Then],
    measure: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, Agreement]:
    """Times a network on devices that are here, and holds it against what was predicted.

    Args:
        blueprint: of the network.
        devices: that are here.
        predicted: by device.
        then: by device, when that was measured.
        measure: whether anything was to be timed, which the others are told.
        say: told when the machine is busy.
    """
    found = {}
    why_not = "the device is not here" if measure else "measuring was switched off"
    for name in dict.fromkeys([*predicted, *(device.name for device in devices)]):
        device = next((each for each in devices if each.name == name), None)
        known = then.get(name, Then(unknown="no table tells what a reference took"))
        told = predicted.get(name)
        if device is None:
            found[name] = Agreement(told, unknown=why_not, caveats=known.caveats)
            continue
        known = known.here(device)
        caveats = [*known.caveats, *_other_table(told, known.sitting)]
        timing, tries = _time_quietly(device, blueprint, known.sitting, say)
        reading = Reading.of(timing, known.sitting)
        found[name] = Agreement(
            told, reading, known.sitting or _now(device, timing), known.unknown, tries, tuple(caveats)
        )
    return found


def _time_quietly(
    device: Device, blueprint: Blueprint, sitting: Sitting | None, say: Callable[[str], None]
) -> tuple[Timing, int]:
    """The timing of the quietest of some tries, and their number; one is enough where the machine is not busy."""
    best: Timing | None = None
    for tried in range(1, TRIES + 1):
        reference = sitting.reference if sitting is not None else None
        (timing,) = device.time([blueprint], ProfileSettings.quick(), reference)
        if best is None or timing.reference_ms < best.reference_ms:
            best = timing
        pace = sitting.pace(best) if sitting is not None else None
        if pace is None or pace <= BUSY:
            break
        if tried < TRIES:
            say(f"the machine takes {pace:.2f} times as long as then: measuring again on {device.name}")
            time.sleep(PAUSE_S)
    assert best is not None
    return best, tried


def _now(device: Device, timing: Timing) -> Sitting | None:
    """This very sitting, for who measures later; beside the small reference network, as no table names another."""
    if timing.reference_ms <= 0:
        return None
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return Sitting(timing.reference_ms, None, device.fingerprint(), created, "export")


def _other_table(told: Predicted | None, sitting: Sitting | None) -> list[str]:
    if told is None or sitting is None or not told.table or told.table == sitting.created:
        return []
    return [
        f"the prediction rests on a table of {told.table}, the speed of the machine on one of {sitting.created}; search "
        "again to have both of one"
    ]
