"""Randomly initialised models of timm as an independent truth."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import nn

from tests.timm_import import import_timm


@lru_cache
def timm_model(name: str) -> nn.Module:
    """A model in double precision and evaluation mode, whose biases, norms and tables are random too."""
    timm = import_timm()
    torch.manual_seed(1)
    model: nn.Module = timm.create_model(name, num_classes=10).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1 or not parameter.any():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return model
