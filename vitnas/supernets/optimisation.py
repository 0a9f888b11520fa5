"""The optimiser of the shared weights and its learning rate over time."""

from __future__ import annotations

import math

import torch
from torch import nn

from vitnas.supernets.train_settings import TrainSettings


def make_optimizer(net: nn.Module, settings: TrainSettings) -> torch.optim.AdamW:
    """AdamW with weight decay on what multiplies: not on biases, whatever their shape, nor on vectors.

    A weight that no lesson of a step used has no gradient at all and stays as it is. A weight used in
    part has a gradient of zero outside the slices, where its momentum and decay go on as usual:
    the slices are views, not parameters, and AutoFormer trains its spaces the same way.
    """
    named = [(name, p) for name, p in net.named_parameters() if p.requires_grad]
    plain = {name for name, p in named if p.ndim < 2 or name.endswith("bias")}
    groups = [
        {"params": [p for name, p in named if name not in plain], "weight_decay": settings.weight_decay},
        {"params": [p for name, p in named if name in plain], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate)


def learning_rate_at(step: int, num_steps: int, settings: TrainSettings) -> float:
    """Linear warm-up, then a cosine that would reach zero just after the last step."""
    warmup_steps = round(settings.warmup * num_steps)
    if step < warmup_steps:
        return settings.learning_rate * (step + 1) / (warmup_steps + 1)
    progress = (step - warmup_steps) / (num_steps - warmup_steps)
    return settings.learning_rate * (1 + math.cos(math.pi * progress)) / 2
