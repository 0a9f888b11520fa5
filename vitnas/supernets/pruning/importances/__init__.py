"""Importances: what makes a channel one to keep, one file each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vitnas.registry import Registry

if TYPE_CHECKING:
    from vitnas.supernets.pruning.importance import Importance

IMPORTANCES: Registry[type[Importance]] = Registry(
    "importance",
    "vitnas.importances",
    {
        "activation": "vitnas.supernets.pruning.importances.activation:ActivationEnergy",
        "dimap": "vitnas.supernets.pruning.importances.dimap:WeightShare",
        "output_error": "vitnas.supernets.pruning.importances.output_error:OutputError",
        "self_distillation": "vitnas.supernets.pruning.importances.self_distillation:SelfDistillation",
        "taylor": "vitnas.supernets.pruning.importances.taylor:Taylor",
        "weight_gradient": "vitnas.supernets.pruning.importances.weight_gradient:WeightGradient",
    },
)

NO_ORDER = "none"
"""In place of a name: channels are left in their order."""
