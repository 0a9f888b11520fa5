"""Operators of Core ML that move values without changing them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def ints(value: Any) -> list[int]:
    """The numbers of an attribute, which is a list or a tensor."""
    return [int(v) for v in value]


def cut_out(
    x: Tensor,
    begin: Any,
    end: Any,
    stride: Any = None,
    begin_mask: Any = None,
    end_mask: Any = None,
    squeeze_mask: Any = None,
) -> Tensor:
    gone = []
    for axis in range(x.ndim):
        open_start = begin_mask is not None and bool(begin_mask[axis])
        open_end = end_mask is not None and bool(end_mask[axis])
        first, last = int(begin[axis]), int(end[axis])
        if squeeze_mask is not None and bool(squeeze_mask[axis]):
            x = x.narrow(axis, first % x.shape[axis], 1)
            gone.append(axis)
            continue
        step = 1 if stride is None else int(stride[axis])
        places = range(x.shape[axis])[slice(None if open_start else first, None if open_end else last, step)]
        x = x.narrow(axis, places.start, len(places)) if step == 1 else x.index_select(axis, torch.tensor(list(places)))
    for axis in reversed(gone):
        x = x.squeeze(axis)
    return x


def split(x: Tensor, axis: int, num_splits: Any = None, split_sizes: Any = None) -> tuple[Tensor, ...]:
    if split_sizes is None:
        return tuple(torch.chunk(x, int(num_splits), int(axis)))
    return tuple(torch.split(x, ints(split_sizes), int(axis)))


def padded(x: Tensor, pad: Any, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    pairs = ints(pad)
    ends = [side for i in reversed(range(len(pairs) // 2)) for side in pairs[2 * i : 2 * i + 2]]
    return F.pad(x, ends, value=float(constant_val)) if mode == "constant" else F.pad(x, ends, mode=mode)


def expand_dims(x: Tensor, axes: Any) -> Tensor:
    for axis in sorted(ints(axes)):
        x = x.unsqueeze(axis)
    return x


def squeeze(x: Tensor, axes: Any = None) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in ints(axes)), reverse=True):
        x = x.squeeze(axis)
    return x


def reshape(x: Tensor, shape: Any) -> Tensor:
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(ints(shape))])
