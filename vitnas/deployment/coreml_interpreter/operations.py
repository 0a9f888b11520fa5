"""What each operator of Core ML computes; names and arguments are those of MIL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.deployment.coreml_interpreter.choices import argmax, gather_along_axis, one_hot, topk
from vitnas.deployment.coreml_interpreter.norms import batch_norm, layer_norm
from vitnas.deployment.coreml_interpreter.shapes import cut_out, expand_dims, ints, padded, reshape, split, squeeze
from vitnas.deployment.coreml_interpreter.windows import conv, pooling, upsample


def _gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="none" if mode == "EXACT" else "tanh")


def _matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return (x.transpose(-2, -1) if transpose_x else x) @ (y.transpose(-2, -1) if transpose_y else y)


def _attention(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None) -> Tensor:
    scores = query @ key.transpose(-2, -1) * query.shape[-1] ** -0.5
    shares = (scores if attn_mask is None else scores + attn_mask).softmax(-1)
    mixed: Tensor = shares @ value
    return mixed


def _cast(x: Any, dtype: str) -> Any:
    kinds = {
        "fp16": torch.float32,
        "fp32": torch.float32,
        "int32": torch.int32,
        "int16": torch.int16,
        "uint16": torch.int32,
        "bool": torch.bool,
    }
    return x.to(kinds[dtype]) if isinstance(x, Tensor) else x


def _quantize(input: Tensor, scale: Tensor, output_dtype: str, zero_point: Any = 0, axis: Any = None) -> Tensor:
    least, most = (-128, 127) if output_dtype == "int8" else (0, 255)
    steps: Tensor = torch.round(input / _along(scale, input, axis)) + _along(zero_point, input, axis)
    return steps.clamp(least, most)


def _dequantize(input: Tensor, scale: Tensor, zero_point: Any = 0, axis: Any = None) -> Tensor:
    found: Tensor = (input - _along(zero_point, input, axis)) * _along(scale, input, axis)
    return found


def _along(value: Any, x: Tensor, axis: Any) -> Any:
    """A number, or one for each entry of an axis."""
    if not isinstance(value, Tensor) or value.ndim == 0:
        return value if not isinstance(value, Tensor) else value.float()
    return value.float().reshape([-1 if place == int(axis) % x.ndim else 1 for place in range(x.ndim)])


def _reduce(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axes, keep_dims=False: function(x, ints(axes), keepdim=bool(keep_dims))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "maximum": lambda x, y: torch.maximum(x, torch.as_tensor(y, dtype=x.dtype)),
    "minimum": lambda x, y: torch.minimum(x, torch.as_tensor(y, dtype=x.dtype)),
    "abs": lambda x: x.abs(),
    "clip": lambda x, alpha, beta: x.clamp(alpha, beta),
    "erf": lambda x: torch.erf(x),
    "exp": lambda x: torch.exp(x),
    "sqrt": lambda x: torch.sqrt(x),
    "square": lambda x: torch.square(x),
    "rsqrt": lambda x, epsilon=0.0: torch.rsqrt(x + epsilon),
    "inverse": lambda x, epsilon=0.0: 1 / (x + epsilon),
    "gelu": _gelu,
    "relu": lambda x: F.relu(x),
    "relu6": lambda x: F.relu6(x),
    "sigmoid": lambda x: torch.sigmoid(x),
    "sigmoid_hard": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "thresholded_relu": lambda x, alpha: torch.where(x >= alpha, x, 0.0),
    "leaky_relu": lambda x, alpha: F.leaky_relu(x, float(alpha)),
    "softplus": lambda x: F.softplus(x),
    "silu": lambda x: F.silu(x),
    "tanh": lambda x: torch.tanh(x),
    "softmax": lambda x, axis: x.softmax(int(axis)),
    "layer_norm": layer_norm,
    "batch_norm": batch_norm,
    "instance_norm": lambda x, epsilon, gamma=None, beta=None: batch_norm(
        x, x.mean((2, 3)).flatten(), x.var((2, 3), correction=0).flatten(), epsilon, gamma, beta
    ),
    "linear": lambda x, weight, bias=None: F.linear(x, weight, bias),
    "matmul": _matmul,
    "conv": conv,
    "avg_pool": pooling(average=True),
    "max_pool": pooling(average=False),
    "scaled_dot_product_attention": _attention,
    "reduce_mean": _reduce(torch.mean),
    "reduce_sum": _reduce(torch.sum),
    "reduce_max": _reduce(torch.amax),
    "reduce_l2_norm": _reduce(lambda x, axes, keepdim: x.square().sum(axes, keepdim=keepdim).sqrt()),
    "reshape": reshape,
    "transpose": lambda x, perm: x.permute(ints(perm)),
    "expand_dims": expand_dims,
    "squeeze": squeeze,
    "concat": lambda values, axis, interleave=False: torch.cat(values, int(axis)),
    "stack": lambda values, axis: torch.stack(values, int(axis)),
    "split": split,
    "slice_by_index": cut_out,
    "tile": lambda x, reps: x.repeat(ints(reps)),
    "pad": padded,
    "gather": lambda x, indices, axis, **_: x.index_select(int(axis), indices.flatten().long()).reshape(
        *x.shape[: int(axis)], *indices.shape, *x.shape[int(axis) + 1 :]
    ),
    "gather_along_axis": gather_along_axis,
    "topk": topk,
    "reduce_argmax": argmax,
    "one_hot": one_hot,
    "equal": lambda x, y: x == y,
    "select": lambda cond, a, b: torch.where(cond, a, b),
    "upsample_bilinear": upsample,
    "pixel_shuffle": lambda x, upscale_factor: F.pixel_shuffle(x, int(upscale_factor)),
    "pixel_unshuffle": lambda x, downscale_factor: F.pixel_unshuffle(x, int(downscale_factor)),
    "cast": _cast,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "identity": lambda x: x,
}
