"""Rules: how sure an answer is, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.registry import Registry

if TYPE_CHECKING:
    from vitnas.supernets.cascades.rules.exit_rule import ExitRule

RULES: Registry[type[ExitRule]] = Registry(
    "rule",
    "vitnas.rules",
    {
        "confidence": "vitnas.supernets.cascades.rules.confidence:Confidence",
        "entropy": "vitnas.supernets.cascades.rules.entropy:Entropy",
        "gate": "vitnas.supernets.cascades.rules.utility_gate:UtilityGate",
    },
)
