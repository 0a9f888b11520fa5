"""What known networks say of the rules of placement: how many bear each out, and how the flag does on families left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vitnas.latency_lut.estimate.ops import Op
from vitnas.latency_lut.estimate.placement import RULES, Flag, Support, traits
from vitnas.latency_lut.estimate.published import PublishedRow

Network = tuple[str, int]


def flag(
    stayed: Sequence[PublishedRow],
    fell: Sequence[PublishedRow],
    traces: Mapping[Network, Sequence[Op]],
    device: str,
    largest: int,
) -> Flag:
    """The flag on a device: its rules rest on all families, its precision and recall on families left out.

    Args:
        stayed: rows on the accelerator.
        fell: rows that fell back.
        traces: of all their networks.
        device: whose flag it is.
        largest: larger images bear rules out or contradict them, but are not counted as caught or missed.
    """
    met = {network: traits(ops) for network, ops in traces.items()}

    def flagged(network: Network, support: Mapping[str, Support]) -> bool:
        return any(support[name].believed for name in met[network])

    def asked(rows: Sequence[PublishedRow]) -> dict[Network, str]:
        return {row.network: row.family for row in rows if row.device == device and row.image_size <= largest}

    def alarms(networks: Mapping[Network, str]) -> int:
        return sum(flagged(network, without[family]) for network, family in networks.items())

    fallen, kept = asked(fell), asked(stayed)
    without = {out: _support(stayed, fell, met, device, out) for out in {*fallen.values(), *kept.values()}}
    return Flag(_support(stayed, fell, met, device), alarms(fallen), len(fallen), alarms(kept))


def _support(
    stayed: Sequence[PublishedRow],
    fell: Sequence[PublishedRow],
    met: Mapping[Network, frozenset[str]],
    device: str,
    left_out: str = "",
) -> dict[str, Support]:
    """Of every rule, without the rows of one family."""

    def count(rule: str, rows: Sequence[PublishedRow], here: bool) -> int:
        return len(
            {
                row.network
                for row in rows
                if (row.device == device) == here and row.family != left_out and rule in met[row.network]
            }
        )

    return {
        rule: Support(
            count(rule, fell, True), count(rule, stayed, True), count(rule, fell, False), count(rule, stayed, False)
        )
        for rule in RULES
    }
