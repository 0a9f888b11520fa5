"""Predicted and measured latency of a network side by side: do they agree, is a limit kept, was the machine busy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from vitnas.latency_lut.sitting import Reading, Sitting, disagree

FASTER = 0.9
"""A machine whose reference takes less than this times what it took then was busier then than now."""


@dataclass(frozen=True)
class Predicted:
    """A latency that was told before an export.

    Attributes:
        ms: the figure.
        std_ms: its standard deviation on any day; 0 where it is not known.
        how: where it comes from, as a front says it.
        limit_ms: the most that the search allowed, if it had a limit.
        table: when the table that it rests on was made.
    """

    ms: float
    std_ms: float = 0.0
    how: str = "table"
    limit_ms: float | None = None
    table: str = ""


@dataclass(frozen=True)
class Agreement:
    """A latency as it was predicted and as it is measured, on one device.

    Attributes:
        predicted: before the export, if anything was.
        reading: now, if the device is here.
        sitting: whose speed `reading` is brought to; None where nothing tells it.
        unknown: why not, or why there is no reading.
        tries: how often the machine was too busy before the reading was taken as it is, and the reading itself.
        caveats: of the table that the prediction rests on.
    """

    predicted: Predicted | None = None
    reading: Reading | None = None
    sitting: Sitting | None = None
    unknown: str = ""
    tries: int = 1
    caveats: Sequence[str] = field(default_factory=tuple)

    @property
    def agrees(self) -> bool | None:
        """Whether both figures differ by no more than their errors allow; None where one is missing."""
        if self.predicted is None or self.reading is None:
            return None
        return not disagree(self.predicted.ms, self.predicted.std_ms, self.reading.ms, self.reading.std_ms)

    @property
    def limit_kept(self) -> bool | None:
        """Whether the limit of the search is kept by the measured figure, at the speed that the limit was meant at."""
        if self.predicted is None or self.predicted.limit_ms is None or self.reading is None:
            return None
        return self.reading.ms <= self.predicted.limit_ms

    def remarks(self) -> Iterator[str]:
        """What a reader must know of the figures, a sentence or two each."""
        reading, predicted = self.reading, self.predicted
        if reading is None:
            if self.unknown:
                yield f"not timed here: {self.unknown}"
            yield from self.caveats
            return
        if reading.pace is None:
            yield (
                f"how fast the machine is now is not known ({self.unknown or 'nothing was timed beside the prediction'}): "
                f"raw figures of two days may differ by {reading.between:.0%} and more"
            )
        elif reading.busy:
            yield (
                f"taken on a busy machine: the reference takes {reading.pace:.2f} times as long as when the {self._then} was "
                f"measured, after {self.tries} {'try' if self.tries == 1 else 'tries'}; {reading.raw_ms:.3f} ms now are "
                f"{reading.ms:.3f} ± {reading.std_ms:.2g} ms at the speed it had then. `vitnas verify` measures again"
            )
        elif reading.pace < FASTER:
            yield (
                f"the machine is faster than when the {self._then} was measured, whose reference took {1 / reading.pace:.2f} "
                "times as long: it was busy then. Profile again for the figures of a quiet machine"
            )
        if self.agrees is False:
            assert predicted is not None
            yield (
                f"predicted {predicted.ms:.3f} ± {predicted.std_ms:.2g} ms and measured {reading.ms:.3f} ± "
                f"{reading.std_ms:.2g} ms differ by more than their errors allow, at one speed of the machine: trust the "
                "measurement, and profile the device again before the next search"
                if reading.pace is not None
                else f"predicted {predicted.ms:.3f} ms and measured {reading.raw_ms:.3f} ms differ by more than two days do"
            )
        yield from self._of_limit()
        yield from self.caveats

    @property
    def _then(self) -> str:
        if self.sitting is None:
            return "table"
        return f"{self.sitting.of} of {self.sitting.created[:10]}" if self.sitting.created else self.sitting.of

    def _of_limit(self) -> Iterator[str]:
        if self.limit_kept is None:
            return
        reading, predicted = self.reading, self.predicted
        assert reading is not None
        assert predicted is not None
        limit_ms = predicted.limit_ms
        assert limit_ms is not None
        over_now = reading.pace is not None and reading.raw_ms > limit_ms
        if not self.limit_kept:
            yield f"the limit of {limit_ms:g} ms is not kept: measured {reading.ms:.3f} ± {reading.std_ms:.2g} ms"
        elif over_now:
            yield f"the limit of {limit_ms:g} ms is kept at the speed then, and not by the {reading.raw_ms:.3f} ms of now"
        elif reading.ms + reading.std_ms > limit_ms:
            yield f"the limit of {limit_ms:g} ms is kept by less than the error, so on another day it may not be"
