"""Samplers, one file each: which archs the next training step sees, and what each learns from."""

from __future__ import annotations

from vitnas.registry import Registry
from vitnas.supernets.training.samplers.sampler import Lesson, Sampler

SAMPLERS: Registry[type[Sampler]] = Registry(
    "sampler",
    "vitnas.samplers",
    {
        "complexity": "vitnas.supernets.training.samplers.complexity:Complexity",
        "constrained": "vitnas.supernets.training.samplers.constrained:Constrained",
        "multi": "vitnas.supernets.training.samplers.multi:Multi",
        "nested": "vitnas.supernets.training.samplers.nested:Nested",
        "pareto": "vitnas.supernets.training.samplers.pareto:Pareto",
        "performance": "vitnas.supernets.training.samplers.performance:Performance",
        "sandwich": "vitnas.supernets.training.samplers.sandwich:Sandwich",
        "single": "vitnas.supernets.training.samplers.single:Single",
        "uniform": "vitnas.supernets.training.samplers.uniform:Uniform",
    },
)

__all__ = ["SAMPLERS", "Lesson", "Sampler"]
