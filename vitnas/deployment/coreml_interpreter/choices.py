"""Operators of Core ML that choose among values, and that look up what was chosen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def topk(
    x: Tensor,
    k: int,
    axis: int = -1,
    ascending: bool = False,
    sort: bool = True,
    return_indices: bool = True,
    output_indices_dtype: str = "int32",
) -> tuple[Tensor, ...]:
    values, indices = x.topk(int(k), int(axis), largest=not ascending, sorted=bool(sort))
    return (values, indices) if return_indices else (values,)


def argmax(x: Tensor, axis: int = -1, keep_dims: bool = False, output_dtype: str = "int32") -> Tensor:
    return x.argmax(int(axis), keepdim=bool(keep_dims))


def one_hot(indices: Tensor, one_hot_vector_size: int, axis: int = -1, on_value: Any = 1, off_value: Any = 0) -> Tensor:
    places = torch.arange(int(one_hot_vector_size))
    hits = (indices.unsqueeze(-1) == places).movedim(-1, int(axis))
    return torch.where(hits, on_value, off_value)


def gather_along_axis(x: Tensor, indices: Tensor, axis: int = 0, validate_indices: bool = False) -> Tensor:
    return x.gather(int(axis), indices.long())
