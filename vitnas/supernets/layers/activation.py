"""Activations by the name that specs carry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor
from torch.nn import functional as F


def quick_gelu(x: Tensor) -> Tensor:
    """The GELU of CLIP: x * sigmoid(1.702 x)."""
    return x * (1.702 * x).sigmoid()


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu-tanh": partial(F.gelu, approximate="tanh"),
    "hardswish": F.hardswish,
    "quick-gelu": quick_gelu,
    "relu": F.relu,
    "silu": F.silu,
}
