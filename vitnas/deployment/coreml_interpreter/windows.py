"""Operators of Core ML that look at the neighbours of a place: convolution, pooling, interpolation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.deployment.coreml_interpreter.shapes import ints
from vitnas.errors import ExportError


def padding(
    x: Tensor, kernel: list[int], strides: list[int], dilations: list[int], pad_type: str, pad: Any
) -> list[int]:
    """As `F.pad` takes it, the last axis first."""
    pairs = []
    for axis, (k, s, d) in enumerate(zip(kernel, strides, dilations, strict=True)):
        if pad_type == "valid":
            pairs.append((0, 0))
        elif pad_type == "custom":
            pairs.append((int(pad[2 * axis]), int(pad[2 * axis + 1])))
        else:
            size = x.shape[2 + axis]
            total = max((-(-size // s) - 1) * s + d * (k - 1) + 1 - size, 0)
            low = total // 2 if pad_type == "same" else total - total // 2
            pairs.append((low, total - low))
    return [side for pair in reversed(pairs) for side in pair]


def conv(
    x: Tensor,
    weight: Tensor,
    strides: Any,
    pad_type: str,
    pad: Any,
    dilations: Any,
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    step, apart = ints(strides), ints(dilations)
    x = F.pad(x, padding(x, list(weight.shape[2:]), step, apart, pad_type, pad))
    convolve: Callable[..., Tensor] = F.conv1d if x.ndim == 3 else F.conv2d
    return convolve(x, weight, bias, step, 0, apart, int(groups))


def pooling(average: bool) -> Callable[..., Tensor]:
    def pool(
        x: Tensor,
        kernel_sizes: Any,
        strides: Any,
        pad_type: str,
        pad: Any,
        ceil_mode: bool = False,
        exclude_padding_from_average: bool = True,
    ) -> Tensor:
        kernel, step = ints(kernel_sizes), ints(strides)
        margin = padding(x, kernel, step, [1] * len(kernel), pad_type, pad)
        if ceil_mode and any(margin):
            raise ExportError(
                "a padded pooling that rounds up cannot be checked without a Mac; pool maps that divide evenly"
            )
        if not average:
            padded = F.pad(x, margin, value=-torch.inf)
            largest: Callable[..., Tensor] = F.max_pool1d if x.ndim == 3 else F.max_pool2d
            return largest(padded, kernel, step, ceil_mode=bool(ceil_mode))
        pooled: Callable[..., Tensor] = F.avg_pool1d if x.ndim == 3 else F.avg_pool2d
        mean = pooled(F.pad(x, margin), kernel, step, ceil_mode=bool(ceil_mode))
        if exclude_padding_from_average and any(margin):
            mean = mean / pooled(F.pad(torch.ones_like(x), margin), kernel, step)
        return mean

    return pool


def upsample(
    x: Tensor,
    scale_factor_height: float = 1,
    scale_factor_width: float = 1,
    align_corners: bool = True,
    half_pixel_centers: bool | None = None,
) -> Tensor:
    if half_pixel_centers is not None and half_pixel_centers == align_corners:
        raise ExportError(
            "an interpolation whose samples lie neither at the centres of pixels nor from corner to corner cannot be "
            "checked without a Mac; interpolate as PyTorch does"
        )
    factors = scale_factor_height, scale_factor_width
    size = [int(np.float32(n) * np.float32(factor)) for n, factor in zip(x.shape[-2:], factors, strict=True)]
    return F.interpolate(x, size, mode="bilinear", align_corners=bool(align_corners))
