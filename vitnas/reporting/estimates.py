"""Estimates of latency, as data and for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitnas.latency_lut.estimate import Estimate, EstimateModel
from vitnas.reporting.tables import print_table

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
        "batch": model.batch,
        "placement": None if placed is None else "fall-back" if placed.falls_back else "neural engine",
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


def print_estimate(found: Mapping[str, Any]) -> None:
    """The figure with its error, what it is made of, and what may be wrong with it."""
    images = f" a call of {found['batch']} images" if found["batch"] > 1 else ""
    print(
        f"{found['network']} on {found['device']}: {found['latency_ms']:.2f} ms +- {found['std_ms']:.2f} ms{images} ({LABEL})"
    )
    if found["placement"]:
        print(f"runs on: {found['placement']}")
    for reason in found["reasons"]:
        print(f"  warning: {reason}")
    if found["reasons"]:
        back = found["fallback_ms"]
        print(f"  if it falls back: about {back['middle']:.0f} ms ({back['low']:.0f} to {back['high']:.0f})")
    for note in found["notes"]:
        print(f"  note: {note}")
    rows = [(kind, f"{ms:.3f}", f"{ms / found['latency_ms']:.1%}") for kind, ms in found["parts_ms"].items()]
    print_table(["part"], ["ms", "share"], rows)
    model = found["model"]
    print(
        f"model of {model['fitted']}: MAPE {model['family_mape']:.1%}, Spearman {model['family_spearman']:.2f} over "
        f"{model['networks']} published networks, each estimated without its family"
    )
