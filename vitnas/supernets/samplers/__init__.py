"""Samplers, one file each: which archs the next training step sees, and what each learns from."""

from __future__ import annotations

from vitnas.registry import Registry
from vitnas.supernets.samplers.sampler import Lesson, Sampler

SAMPLERS: Registry[type[Sampler]] = Registry(
    "sampler",
    "vitnas.samplers",
    {
        "complexity": "vitnas.supernets.samplers.complexity:Complexity",
        "constrained": "vitnas.supernets.samplers.constrained:Constrained",
        "multi": "vitnas.supernets.samplers.multi:Multi",
        "nested": "vitnas.supernets.samplers.nested:Nested",
        "pareto": "vitnas.supernets.samplers.pareto:Pareto",
        "performance": "vitnas.supernets.samplers.performance:Performance",
        "sandwich": "vitnas.supernets.samplers.sandwich:Sandwich",
        "single": "vitnas.supernets.samplers.single:Single",
        "uniform": "vitnas.supernets.samplers.uniform:Uniform",
    },
)

from vitnas.supernets.samplers.options import make_sampler, read_options  # noqa: E402  (reads SAMPLERS)

__all__ = ["SAMPLERS", "Lesson", "Sampler", "make_sampler", "read_options"]
