"""Timing many networks within a budget, through kills and slow moments of the machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from vitnas.latency_lut.devices import Device
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.settings import TimingSettings
from vitnas.latency_lut.timing_journal import PartialTimings, blueprint_key
from vitnas.progress import Bar
from vitnas.search_spaces import Blueprint

FOR_THE_TABLE = 0.04
"""The share of a budget that is kept for making the table of what was measured."""


class Gathering:
    """Fills `partial` with timings; with a budget, stops asking when the next group would not be done in time."""

    def __init__(
        self,
        device: Device,
        partial: PartialTimings,
        settings: TimingSettings,
        bar: Bar,
        begun: float,
        budget_s: float | None = None,
    ) -> None:
        """Starts with what `partial` holds.

        Args:
            device: where.
            partial: what is known, and gets what is timed.
            settings: how carefully.
            bar: from `timing_bar`.
            begun: by `time.monotonic`, when the budget began.
            budget_s: its seconds; without one everything asked for is timed.
        """
        self.device = device
        self.partial = partial
        self.settings = settings
        self._start = begun
        self.budget_s = math.inf if budget_s is None else budget_s
        self._spent: dict[bool, tuple[float, int]] = {}
        self._bar = bar
        self._planned = 0
        self._longest_s = 0.0

    @property
    def found(self) -> dict[str, Timing]:
        return self.partial.found

    @property
    def limited(self) -> bool:
        return self.budget_s < math.inf

    @property
    def left_s(self) -> float:
        """Seconds of the budget that are left for timing."""
        return self.budget_s * (1 - FOR_THE_TABLE) - (time.monotonic() - self._start)

    def seconds_each(self, whole: bool) -> float:
        """What timing one took on average, whole networks or layers; 0 where none was timed by this call."""
        seconds, number = self._spent.get(whole, (0.0, 0))
        return seconds / number if number else 0.0

    @property
    def other_s(self) -> float:
        """What was spent so far on anything but timing."""
        return time.monotonic() - self._start - sum(seconds for seconds, _ in self._spent.values())

    @property
    def over(self) -> bool:
        """Whether another group would not be done in time."""
        return not self._fits(1 - FOR_THE_TABLE)

    def plan(self, more: int) -> None:
        """Tells the bar how many networks are still to come, when no budget tells the end."""
        self._planned += more
        if not self.limited:
            self._bar.update(total=self._planned)

    def time(
        self,
        blueprints: Sequence[Blueprint],
        label: str,
        share: float = 1.0,
        again: bool = False,
        reference: Blueprint | None = None,
    ) -> None:
        """Times what is not known yet.

        Args:
            blueprints: the most important first.
            label: what the bar calls them.
            share: of the budget that may be spent when this ends.
            again: times also what is known, and keeps the timing of the quieter moment.
            reference: a network of their size in place of the device's small one: what others do to the caches slows
                a large network and leaves a small one as it is.
        """
        waiting = list(
            {blueprint_key(b): b for b in blueprints if again or blueprint_key(b) not in self.found}.values()
        )
        self.plan(len(waiting))
        share = min(share, 1 - FOR_THE_TABLE)
        if not waiting or not self._fits(share):
            self.plan(-len(waiting))
            return
        self._bar.update(what=label)
        timings = self.device.time(waiting, self.settings, reference)
        group, begun = self.settings.group, time.monotonic()
        first, (spent_s, number) = begun, self._spent.get(reference is not None, (0.0, 0))
        for i, (blueprint, timing) in enumerate(zip(waiting, timings, strict=True)):
            earlier = self.found.get(blueprint_key(blueprint))
            if earlier is None or timing.reference_ms < earlier.reference_ms:
                self.partial.add(blueprint, timing)
            self._advance()
            self._spent[reference is not None] = spent_s + time.monotonic() - first, number + i + 1
            if (i + 1) % group == 0:
                self._longest_s = max(self._longest_s, time.monotonic() - begun)
                begun = time.monotonic()
                if not self._fits(share):
                    self.plan(i + 1 - len(waiting))
                    break

    def unsettled(self, blueprints: Sequence[Blueprint], most: float) -> list[Blueprint]:
        """Those timed while their reference took longer by more than this fraction than at its quietest."""
        known = [b for b in blueprints if blueprint_key(b) in self.found]
        quiet_ms = min((self.found[blueprint_key(b)].reference_ms for b in known), default=0.0)
        return [b for b in known if self.found[blueprint_key(b)].reference_ms > quiet_ms * (1 + most)]

    def _fits(self, share: float) -> bool:
        return time.monotonic() - self._start + self._longest_s <= self.budget_s * share

    def _advance(self) -> None:
        if not self.limited:
            self._bar.advance()
        else:
            self._bar.update(done=time.monotonic() - self._start)


def timing_bar(device: Device, shown: bool, budget_s: float | None) -> Bar:
    """Of the networks to be timed, or of the budget where there is one."""
    return Bar(device.name, budget_s or 0, shown, counted=budget_s is None, passing=True)
