"""Estimates of latency, as data and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitnas.latency_lut.estimate import Estimate, EstimateModel, Flag
from vitnas.latency_lut.estimate.model import factor_90
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import Quantity
from vitnas.reporting.terminal.tables import print_table

LABEL = "estimated, not measured"


def describe_estimate(
    model: EstimateModel, network: str, found: Estimate, shares_ms: Mapping[str, float]
) -> dict[str, Any]:
    """Everything that is known about an estimate.

    Args:
        model: that made it.
        network: what was asked about.
        found: the estimate.
        shares_ms: milliseconds of each kind of layer or operator; with `network_ms` they are the whole.
    """
    accuracy = model.target(found.device).accuracy
    placed = found.placement
    return {
        "network": network,
        "device": found.device,
        "label": LABEL,
        "latency_ms": found.ms,
        "std_ms": found.std_ms,
        "interval_90_ms": dict(zip(("low", "high"), found.interval_90_ms, strict=True))
        if found.interval_90_ms
        else None,
        "batch": model.batch,
        "placement": None if placed is None else "fall-back" if placed.falls_back else "neural engine",
        "flag": _describe_flag(model.target(found.device).flag),
        "reasons": list(placed.reasons) if placed else [],
        "notes": list(placed.notes) if placed else [],
        "fallback_ms": dict(zip(("low", "middle", "high"), found.fallback_ms, strict=True))
        if found.fallback_ms
        else None,
        "parts_ms": {"call": found.network_ms, **shares_ms},
        "model": {
            "fitted": model.fitted,
            "networks": accuracy.fidelity.networks,
            "family_mape": accuracy.fidelity.mape,
            "family_spearman": accuracy.fidelity.spearman,
        },
    }


def _describe_flag(flag: Flag | None) -> dict[str, Any] | None:
    """How far the placement is to be trusted: on families whose networks did not decide which rules are believed."""
    if flag is None:
        return None
    names = ("caught", "fell", "false_alarms", "precision", "recall")
    return {**{name: getattr(flag, name) for name in names}, "text": str(flag)}


def estimated_factor(front: ParetoFront, name: str) -> float | None:
    """Within which factor of a front's estimates of a quantity nine in ten true values lie; None where it is no estimate."""
    quantity = Quantity.parse(name)
    if not quantity.is_latency or any(point.provenance.get(name) != "estimated" for point in front.points):
        return None
    return factor_90(quantity.device or str(front.config.get("origin", {}).get("device", "")))


def print_estimate(found: Mapping[str, Any]) -> None:
    """The figure with its error, what it is made of, and what may be wrong with it."""
    images = f" a call of {found['batch']} images" if found["batch"] > 1 else ""
    interval = found["interval_90_ms"]
    spread = (
        f", 90 % between {interval['low']:.2f} and {interval['high']:.2f} ms"
        if interval
        else f" +- {found['std_ms']:.2f} ms"
    )
    print(f"{found['network']} on {found['device']}: {found['latency_ms']:.2f} ms{spread}{images} ({LABEL})")
    if found["placement"]:
        print(f"runs on: {found['placement']}")
        print(f"  this flag, on families left out: {found['flag']['text']}")
    for reason in found["reasons"]:
        print(f"  warning: {reason}")
    if found["reasons"]:
        back = found["fallback_ms"]
        print(
            f"  if it falls back: about {back['middle']:.0f} ms (half of such rows: {back['low']:.0f} to {back['high']:.0f})"
        )
    for note in found["notes"]:
        print(f"  note: {note}")
    rows = [(kind, f"{ms:.3f}", f"{ms / found['latency_ms']:.1%}") for kind, ms in found["parts_ms"].items()]
    print_table(["part"], ["ms", "share"], rows)
    model = found["model"]
    print(
        f"model of {model['fitted']}: MAPE {model['family_mape']:.1%}, Spearman {model['family_spearman']:.2f} over "
        f"{model['networks']} published networks, each estimated without its family"
    )
