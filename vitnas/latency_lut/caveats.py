"""Caveats: what whoever uses a latency table must know of it, by its error, by its order and by what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vitnas.latency_lut.features import kind_of

if TYPE_CHECKING:
    from vitnas.latency_lut.table import LatencyTable

FEW_DIFFERENT = 1 / 3
"""A table with fewer different latencies than this share of the networks it was tested on does not tell them apart."""
FEWEST_TESTED = 6
"""Networks below which equal latencies may be chance."""


def caveats_of(table: LatencyTable) -> list[str]:
    """One text each; none where a table keeps its promise."""
    return [f"the '{table.header.device}' table {text}" for text in _caveats(table)]


def _caveats(table: LatencyTable) -> Iterator[str]:
    fidelity = table.header.fidelity
    if fidelity is None:
        yield (
            "was never compared with networks it was not fitted to, so its error is not known; time more whole networks: "
            "profile a larger space, or with a longer --budget"
        )
    elif fidelity.mape > table.header.max_mape:
        yield _missed(table, f"by {fidelity.mape:.1%} on average, over its limit of {table.header.max_mape:.0%}")
    if fidelity is not None and (bad := fidelity.ranks_badly):
        yield f"{bad}; a search would do as well or better by MACs: {_remedy(table)}"
    if few := _few_different(table):
        yield f"{few}; a search cannot weigh what makes no difference there: {_remedy(table)}"
    for kind, unknown in _guessed_from_one(table).items():
        yield (
            f"tells {unknown} layers of kind '{kind}' from a single measured one, so their sizes hardly count; "
            f"{_remedy(table)}"
        )


def _missed(table: LatencyTable, found: str) -> str:
    device, fidelity = table.header.device, table.header.fidelity
    if not _estimated(table):
        return f"misses whole networks {found}; measure again on an idle machine, or with longer blocks"
    if fidelity is not None and fidelity.how == "left out":
        return (
            f"was carried over from another device and misses whole networks {found}; carry it over with more --samples, "
            "or measure its layers"
        )
    return (
        f"is an estimate, which misses networks of families it has not seen {found}; a device's own figures come from "
        f"`vitnas profile --device {device} --bundle DIR`"
    )


def _remedy(table: LatencyTable) -> str:
    fidelity = table.header.fidelity
    if not _estimated(table):
        return "profile again with a longer --budget, or on an idle machine"
    if fidelity is not None and fidelity.how == "left out":
        return "carry it over with more --samples, or measure its layers"
    return f"measure the device with `vitnas profile --device {table.header.device} --bundle DIR`"


def _estimated(table: LatencyTable) -> bool:
    return {*table.provenances} == {"estimated"}


def _few_different(table: LatencyTable) -> str | None:
    tested = [n for n in table.header.networks if n.held_out]
    different = len({f"{n.predicted_ms:.6g}" for n in tested})
    if len(tested) < FEWEST_TESTED or not 1 < different <= FEW_DIFFERENT * len(tested):
        return None  # a single latency has no order, which is told already
    return f"gives {len(tested)} held-out networks only {different} different latencies"


def _guessed_from_one(table: LatencyTable) -> dict[str, int]:
    """Kinds of which only one layer was measured, and how many are told from it."""
    known: dict[str, list[bool]] = {}
    for row in table.rows:
        known.setdefault(kind_of(row.spec), []).append(row.timing.provenance != "interpolated")
    return {kind: each.count(False) for kind, each in known.items() if each.count(True) == 1 and each.count(False) > 1}
