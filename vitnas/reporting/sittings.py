"""What the figures of a front rest on, in words: how fast the machine was, how long errors hold, what is less sure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec

from vitnas.latency_lut.sitting import BUSY
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import Quantity


class _Sitting(msgspec.Struct):
    """What `Measuring.sitting` leaves in a front."""

    between: float = 0.0
    measured: int = 0
    astray: int = 0
    pace: Annotated[list[float], msgspec.Meta(min_length=2, max_length=2)] | None = None


def front_notes(front: ParetoFront) -> list[str]:
    """A sentence or two for each latency that the front weighs or limits, and one for each point that has a caveat."""
    caveats = [f"arch {point.arch.id}: {point.caveat}" for point in front.points if point.caveat]
    return [*(note for name in _latencies(front) for note in _notes(front, name)), *caveats]


def _latencies(front: ParetoFront) -> list[str]:
    names = [*(o.name for o in front.objectives), *front.config.get("limits", {})]
    return [name for name in dict.fromkeys(names) if Quantity.parse(name).is_latency]


def _notes(front: ParetoFront, name: str) -> Iterator[str]:
    found: Any = front.config.get("sittings", {})
    try:
        one = msgspec.convert(found[name], _Sitting) if isinstance(found, dict) and name in found else None
    except msgspec.ValidationError:
        one = None
    estimated = {p.provenance.get(name) for p in front.points} <= {"estimated", None}
    if one is None or not one.between:
        if not estimated:
            yield f"{name}: how fast the machine was is not recorded, so the errors hold for the day of the search only"
        return
    yield f"{name}: errors hold on another day as well, with {one.between:.1%} between sittings at one speed of the machine"
    if one.pace is not None:
        least, most = one.pace
        busy = "; the machine was busy, and figures are those at the speed of the table" if most > BUSY else ""
        yield (
            f"{name}: {one.measured} networks were measured while the reference took {least:.2f} to {most:.2f} times as long "
            f"as when the table was measured{busy}"
        )
    if one.astray:
        yield (
            f"{name}: {one.astray} of {one.measured} measured networks differ from the table by more than their errors allow; "
            "profile the device again before the next search"
        )
