"""Activations by the name that specs carry."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "hardswish": F.hardswish,
    "relu": F.relu,
    "silu": F.silu,
}
