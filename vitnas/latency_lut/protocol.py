"""The measuring protocol: warm up, interleave with a reference, keep the steady blocks.

It knows no runtime: whatever can be run a number of times and say how long that took can be measured.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:  # a board that this file travels to has no vitnas
    from vitnas.latency_lut.settings import TimingSettings

Stopwatch = Callable[[int], float]
"""Runs something this many times in a row and returns the milliseconds they took together."""

TimingProvenance = Literal["measured", "interpolated", "estimated", "imported"]

FEWEST_STEPS = 5
"""Steps of a clock that a reading must have, to tell a time at all."""
MOST_MORE = 10
"""How many times as many calls one reading may have as the one before it."""
IQR_OF_NORMAL = 1.349
"""The interquartile range of a normal distribution, in standard deviations."""


def wall_clock(run: Callable[[], object]) -> Stopwatch:
    """Times a call that returns when its work is done."""
    return _clock(run, time.perf_counter_ns)


def thread_clock(run: Callable[[], object]) -> Stopwatch:
    """Times a call that does all its work in this thread, without the moments that other work took the core."""
    return _clock(run, time.thread_time_ns)


def process_clock(run: Callable[[], object]) -> Stopwatch:
    """Times a call that works in one thread of this process at a time, whichever that is."""
    return _clock(run, time.process_time_ns)


def _clock(run: Callable[[], object], now_ns: Callable[[], int]) -> Stopwatch:
    def milliseconds(runs: int) -> float:
        start = now_ns()
        for _ in range(runs):
            run()
        return (now_ns() - start) / 1e6

    return milliseconds


@dataclass(frozen=True)
class Timing:
    """How long one call takes, in milliseconds, over blocks of calls.

    Attributes:
        median_ms: of the blocks' means; the figure to use.
        iqr_ms: the distance between the quartiles of the blocks.
        min_ms: the fastest block, the best guess of the time on an idle machine.
        p90_ms: the block that 90 % of the blocks do not exceed.
        blocks: how many blocks these figures rest on.
        reference_ms: what the reference network took meanwhile; see `align`.
        provenance: where the figures come from.
        energy_mj: the median energy of the processor package during one call, its idle power included, in
            millijoules; None where the platform does not tell.
        peak_bytes: the most memory that a fresh process took for the network over what its runtime takes
            without one; None where it was not measured.
    """

    median_ms: float
    iqr_ms: float
    min_ms: float
    p90_ms: float
    blocks: int
    reference_ms: float
    provenance: TimingProvenance = "measured"
    energy_mj: float | None = None
    peak_bytes: int | None = None

    @property
    def std_ms(self) -> float:
        """How far the median may be off, from the spread of the blocks and their number; an estimate states it itself."""
        spread_ms = self.iqr_ms / IQR_OF_NORMAL
        return spread_ms * math.sqrt(math.pi / 2 / self.blocks) if self.blocks else spread_ms

    def scaled(self, factor: float) -> Timing:
        """The timing of a machine that is slower by `factor`."""
        names = ("median_ms", "iqr_ms", "min_ms", "p90_ms", "reference_ms")
        return replace(self, **{name: getattr(self, name) * factor for name in names})

    def less(self, overhead_ms: float) -> Timing:
        """The timing without what every call costs; never below zero."""
        names = ("median_ms", "min_ms", "p90_ms")
        return replace(self, **{name: max(getattr(self, name) - overhead_ms, 0.0) for name in names})


def measure(
    candidates: Sequence[Stopwatch],
    reference: Stopwatch,
    settings: TimingSettings,
    energy: Callable[[], float] | None = None,
    step_ms: float = 0.0,
) -> list[Timing]:
    """Times candidates in turns, a block each, with a block of the reference between any two.

    Other work on the machine only ever adds time. So a candidate's block is steady when the
    reference was near its quiet time before and after, and the block itself not far above its
    candidate's. A block that is not is repeated in a later round; what little drift remains is
    divided out. A candidate whose steady blocks still scatter goes on as well. The work is bounded:
    by `max_warmup_ms` for each, then by `blocks * max_repeats`.

    Args:
        candidates: what to time.
        reference: the same in every measurement on a device.
        settings: how carefully.
        energy: tells the millijoules spent so far, if anything here does.
        step_ms: the smallest step of the clock, where that is coarse.
    """
    reference_runs = _warm_up(reference, settings, step_ms)
    runs = [_warm_up(candidate, settings, step_ms) for candidate in candidates]
    tried: list[list[_TimedBlock]] = [[] for _ in candidates]
    seen: list[float] = []
    waiting = list(range(len(candidates)))
    for _ in range(settings.blocks * settings.max_repeats):
        if not waiting:
            break
        before = reference(reference_runs) / reference_runs
        seen.append(before)
        for i in waiting:
            spent_mj = energy() if energy else 0.0
            mean_ms = candidates[i](runs[i]) / runs[i]
            call_mj = (energy() - spent_mj) / runs[i] if energy else None
            after = reference(reference_runs) / reference_runs
            seen.append(after)
            tried[i].append(_TimedBlock(mean_ms, before, after, call_mj))
            before = after
        quiet_ms = _quiet(seen)
        waiting = [i for i in waiting if not _settled(tried[i], quiet_ms, settings)]
    return [_summarise(blocks, _quiet(seen), settings.blocks) for blocks in tried]


def align(timings: Sequence[Timing]) -> list[Timing]:
    """Timings of several groups as if the reference had taken the same time in all of them."""
    known = [timing.reference_ms for timing in timings if timing.reference_ms > 0]
    common = float(np.median(known)) if known else 0.0
    return [t.scaled(common / t.reference_ms) if t.reference_ms > 0 else t for t in timings]


@dataclass(frozen=True)
class _TimedBlock:
    mean_ms: float
    reference_before_ms: float
    reference_after_ms: float
    energy_mj: float | None = None


def _settled(blocks: Sequence[_TimedBlock], quiet_ms: float, settings: TimingSettings) -> bool:
    """Whether a candidate has its steady blocks, and they agree."""
    if sum(d <= settings.max_drift for d in _disturbance(blocks, quiet_ms)) < settings.blocks:
        return False
    timing = _summarise(blocks, quiet_ms, settings.blocks)
    return timing.iqr_ms <= settings.max_spread * timing.median_ms


def _quiet(means_ms: Sequence[float]) -> float:
    """What something takes while nothing disturbs."""
    return float(np.quantile(means_ms, 0.1))


def _disturbance(blocks: Sequence[_TimedBlock], quiet_ms: float) -> list[float]:
    """How far the reference around each block of a candidate was above its quiet time, as a fraction.

    A block half of whose own excess is larger counts as that: work that came and went inside the
    block leaves no trace in the reference, yet a candidate may vary more by itself.
    """
    own_ms = _quiet([block.mean_ms for block in blocks])
    return [
        max(
            max(block.reference_before_ms, block.reference_after_ms) / quiet_ms - 1,
            (block.mean_ms / own_ms - 1) / 2,
        )
        for block in blocks
    ]


def _summarise(blocks: Sequence[_TimedBlock], quiet_ms: float, most: int) -> Timing:
    order = np.argsort(_disturbance(blocks, quiet_ms), kind="stable")[:most]
    kept = [blocks[i] for i in order]
    drifts_ms = [(block.reference_before_ms + block.reference_after_ms) / 2 for block in kept]
    means = np.array([block.mean_ms * quiet_ms / drift for block, drift in zip(kept, drifts_ms, strict=True)])
    low, median, high, p90 = np.quantile(means, [0.25, 0.5, 0.75, 0.9])
    energies = [block.energy_mj for block in kept if block.energy_mj is not None]
    return Timing(
        median_ms=float(median),
        iqr_ms=float(high - low),
        min_ms=float(means.min()),
        p90_ms=float(p90),
        blocks=len(kept),
        reference_ms=quiet_ms,
        energy_mj=float(np.median(energies)) if energies else None,
    )


def _warm_up(stopwatch: Stopwatch, settings: TimingSettings, step_ms: float = 0.0) -> int:
    """Runs until the median of the last five moves by less than 2 %; returns the calls that fill a block."""
    # A tenth of a block at a time, so that short calls are not lost in the clock's own cost.
    part_ms = max(settings.block_ms / 10, 2 * FEWEST_STEPS * step_ms)
    means: list[float] = []
    spent_ms, runs = 0.0, 1
    while spent_ms < settings.max_warmup_ms or not means:
        took_ms = stopwatch(runs)
        spent_ms += took_ms
        if took_ms <= FEWEST_STEPS * step_ms:  # it tells no time, and a clock may stand still
            runs *= 2
            continue
        means.append(took_ms / runs)
        ready = len(means) >= 10 and spent_ms >= settings.warmup_ms
        if ready and abs(np.median(means[-5:]) / np.median(means[-6:-1]) - 1) < 0.02:
            break
        runs = max(1, min(round(part_ms / means[-1]), MOST_MORE * runs))
    return max(1, math.ceil(settings.block_ms / float(np.median(means[-5:]))))
