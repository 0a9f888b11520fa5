"""Budget: the least that a table needs, and whether the time allows it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitnas.errors import DeviceError
from vitnas.latency_lut.features import kind_of
from vitnas.latency_lut.settings import TimingSettings
from vitnas.latency_lut.timing_journal import blueprint_key
from vitnas.latency_lut.timing_session import FOR_THE_TABLE, Gathering
from vitnas.search_spaces import Blueprint, LayerSpec

OF_A_KIND = 3
"""Layers of each kind: with fewer, sizes that were not measured make no difference."""
NETWORKS = 8
"""Whole networks, half of them held out: with fewer, neither calibration nor error can be stated."""
SLACK = 1.5
"""By which an estimate from first timings may be wrong: processes start, runtimes load, and the machine may be busy."""


@dataclass(frozen=True)
class Least:
    """What a table must be made of to be of any use.

    Attributes:
        layers: the call that computes nothing, and some layers of each kind, the first of each kind first.
        networks: to fit and to test in turns.
    """

    layers: Sequence[Blueprint]
    networks: Sequence[Blueprint]

    def check(self, gathering: Gathering, network_ms: float | None, space: str) -> None:
        """Refuses a budget that cannot be enough, as far as the protocol and the timings so far tell; these are kept.

        Args:
            gathering: before it has timed anything, or after.
            network_ms: about what a whole network takes, while none was timed.
            space: for the message.
        """
        need_s = self.seconds(gathering, network_ms)
        left_s = gathering.left_s
        if need_s > (left_s * SLACK if not gathering.over else 0.0):
            self.refuse(gathering, need_s, space)

    def seconds(self, gathering: Gathering, network_ms: float | None = None) -> float:
        """About how long what is missing takes."""
        layers, networks = (self._missing(each, gathering.found) for each in (self.layers, self.networks))
        layer_s = gathering.seconds_each(whole=False) or gathering.device.least_s(gathering.settings)
        network_s = gathering.seconds_each(whole=True) or layer_s * _longer(network_ms or 0.0, gathering.settings)
        return layers * layer_s + networks * network_s

    def refuse(self, gathering: Gathering, need_s: float, space: str) -> None:
        """Tells the seconds that are needed."""
        layers, networks = (self._missing(each, gathering.found) for each in (self.layers, self.networks))
        advised = f"--budget {math.ceil((need_s + gathering.other_s) / (1 - FOR_THE_TABLE) * SLACK)}s or more"
        remedy = (
            f"What was timed is kept; go on with {advised}, or begin anew with --quick or shorter blocks"
            if gathering.found
            else f"Give {advised}, --quick or shorter blocks"
        )
        raise DeviceError(
            f"the budget of {gathering.budget_s:g} s is too short for a table of space '{space}' that is of use: "
            f"{layers} layers and {networks} whole networks are still to be timed at the least, in about "
            f"{math.ceil(need_s)} s. {remedy}"
        )

    @staticmethod
    def _missing(blueprints: Sequence[Blueprint], found: Mapping[str, object]) -> int:
        return sum(blueprint_key(blueprint) not in found for blueprint in blueprints)


def least_layers(specs: Sequence[LayerSpec], order: Sequence[int]) -> list[int]:
    """Of layers in an order of worth, the first `OF_A_KIND` of each kind, and of those the first of each kind first."""
    taken: dict[str, int] = {}
    found: list[tuple[int, int, int]] = []
    for place, row in enumerate(order):
        kind = kind_of(specs[row])
        turn = taken.get(kind, 0)
        taken[kind] = turn + 1
        if turn < OF_A_KIND:
            found.append((turn, place, row))
    return [row for _, _, row in sorted(found)]


def _longer(network_ms: float, settings: TimingSettings) -> float:
    """How many times as long as a layer a network of this latency takes to be timed beside one of its size."""
    return max(1.0, network_ms / settings.block_ms)
