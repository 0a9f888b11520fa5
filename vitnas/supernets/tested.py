"""What networks of a run had right on its test images: a file of the run that reports read, and no search."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from vitnas.errors import DataError
from vitnas.files import read_json, write_json
from vitnas.run import RunFolder
from vitnas.supernets.judgement import ACCURACY, Judgement

TESTED = "tested.json"


@dataclass(frozen=True)
class Tested:
    """One network on the test images.

    Attributes:
        arch_id: of its arch.
        weights: whose they are, such as "shared weights of step 500" or "exported".
        value: of the metric, in 0..1.
        num_images: of the test that were looked at.
        interval: of the value, at 95 %.
        date: when it was measured.
        metric: what `value` is.
    """

    arch_id: str
    weights: str
    value: float
    num_images: int
    interval: tuple[float, float]
    date: str
    metric: str = ACCURACY

    @classmethod
    def of(cls, arch_id: str, weights: str, found: Judgement) -> Tested:
        date = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(arch_id, weights, found.value, found.num_images, found.interval, date, found.metric)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Tested:
        """From what `to_json` gives."""
        metric = data.get("metric", ACCURACY)
        return msgspec.convert({**_without(data, metric), "value": data.get(metric)}, cls)

    def to_json(self) -> dict[str, Any]:
        """As the file holds it: the value by the name of its metric."""
        told = msgspec.to_builtins(self)
        named = {(self.metric if name == "value" else name): value for name, value in told.items()}
        return _without(named, "metric") if self.metric == ACCURACY else named


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != name}


def keeps_test(run: RunFolder) -> bool:
    """Whether some images of a run are kept for the test; runs of old have none."""
    share: Any = run.config.get("data", {}).get("test_share", 0.0)
    return isinstance(share, int | float) and share > 0


def read_tested(run: RunFolder) -> list[Tested]:
    """In the order in which they were measured."""
    file = run.path / TESTED
    if not file.is_file():
        return []
    try:
        return [Tested.from_json(one) for one in read_json(file)]
    except (msgspec.ValidationError, AttributeError, TypeError) as error:
        raise DataError(
            f"'{file}' is none that vitnas wrote ({error}); remove it, and evaluate the archs anew"
        ) from None


def add_tested(run: RunFolder, found: Iterable[Tested]) -> None:
    """What was measured now stands in place of what was measured of the same networks before."""
    new = {(one.arch_id, one.weights): one for one in found}
    if not new:
        return
    kept = [one for one in read_tested(run) if (one.arch_id, one.weights) not in new]
    try:
        write_json(run.path / TESTED, [one.to_json() for one in (*kept, *new.values())])
    except OSError as error:
        warnings.warn(
            f"cannot write '{run.path / TESTED}': {error.strerror or error}; reports of the run will not show these tests",
            stacklevel=2,
        )
