"""The optimiser of the shared weights and its learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from vitnas.supernets.settings.train import OptimizerName, TrainSettings

OPTIMIZERS: dict[OptimizerName, Callable[..., torch.optim.Optimizer]] = {
    "adamw": torch.optim.AdamW,
    "nadam": lambda groups, lr: torch.optim.NAdam(groups, lr=lr, decoupled_weight_decay=True),
    "radam": lambda groups, lr: torch.optim.RAdam(groups, lr=lr, decoupled_weight_decay=True),
    "sgd": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
}
"""Optimisers by name; each takes groups of parameters and the learning rate."""


def make_optimizer(net: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """An optimiser with weight decay on what multiplies: not on biases, whatever their shape, nor on vectors.

    A weight that no lesson of a step used has no gradient at all and stays as it is. A weight used in
    part has a gradient of zero outside the slices, where its momentum and decay go on as usual:
    the slices are views, not parameters, and AutoFormer trains its spaces the same way.
    """
    named = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    plain = {name for name, p in named if p.ndim < 2 or name.endswith("bias")}
    groups: list[dict[str, Any]] = [
        {"params": [p for name, p in named if name not in plain], "weight_decay": settings.weight_decay},
        {"params": [p for name, p in named if name in plain], "weight_decay": 0.0},
    ]
    return OPTIMIZERS[settings.optimizer](groups, lr=settings.learning_rate)


def learning_rate_at(step: int, num_steps: int, settings: TrainSettings) -> float:
    """Linear warm-up, then a cosine that would reach its end just after the last step."""
    warmup_steps = round(settings.warmup * num_steps)
    if step < warmup_steps:
        return settings.learning_rate * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (num_steps - warmup_steps)
    low, high = settings.final_learning_rate, settings.learning_rate
    return low + (high - low) * (1 + math.cos(math.pi * progress)) / 2
