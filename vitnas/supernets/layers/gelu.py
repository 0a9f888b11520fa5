"""The forms of GELU that plain vision transformers were trained with, by the name that specs carry."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from torch import Tensor
from torch.nn import functional as F

from vitnas.settings import about

Gelu = Annotated[
    Literal["gelu", "gelu-tanh", "quick-gelu"],
    about("the activation: GELU, its form with tanh, or x * sigmoid(1.702 x)"),
]


def quick_gelu(x: Tensor) -> Tensor:
    """The GELU of CLIP: x * sigmoid(1.702 x)."""
    return x * (1.702 * x).sigmoid()


GELUS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu-tanh": partial(F.gelu, approximate="tanh"),
    "quick-gelu": quick_gelu,
}
