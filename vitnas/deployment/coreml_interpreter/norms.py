"""Normalisations of Core ML."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from vitnas.deployment.coreml_interpreter.shapes import ints


def layer_norm(x: Tensor, axes: Any, epsilon: float, gamma: Any = None, beta: Any = None) -> Tensor:
    places = ints(axes)
    centred = x - x.mean(places, keepdim=True)
    y = centred * torch.rsqrt(centred.square().mean(places, keepdim=True) + epsilon)
    return _along(_along(y, gamma, places, torch.mul), beta, places, torch.add)


def _along(y: Tensor, value: Any, axes: list[int], join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    if value is None:
        return y
    kept = {axis % y.ndim for axis in axes}
    return join(y, value.reshape([size if axis in kept else 1 for axis, size in enumerate(y.shape)]))


def batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, epsilon: float, gamma: Any = None, beta: Any = None
) -> Tensor:
    y = (x - mean.reshape(-1, *[1] * (x.ndim - 2))) * torch.rsqrt(variance + epsilon).reshape(-1, *[1] * (x.ndim - 2))
    return _along(_along(y, gamma, [1], torch.mul), beta, [1], torch.add)
