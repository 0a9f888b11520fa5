"""Core ML programs evaluated with PyTorch, so that a package can be checked where no Mac is.

What is read is the package on the disk. Weights count as they are stored, in half precision or compressed; arithmetic is that of
fp32, except that an image on whose way a value is too large for half precision gets an infinite answer.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.errors import ExportError
from vitnas.latency_lut.runtimes.coreml import quiet

LARGEST_HALF = 65504.0
GROWING = ("add", "sub", "mul", "real_div", "pow", "exp", "square", "conv", "linear", "matmul", "reduce_sum", "cast")
"""Operators whose results may be far larger than what they take."""


class MilProgram:
    """The main function of a package."""

    def __init__(self, path: Path) -> None:
        with quiet():
            from coremltools.converters.mil.frontend.milproto.load import load
            from coremltools.models.utils import load_spec

            self.spec = load_spec(str(path))
            weights = path / "Data" / "com.apple.CoreML" / "weights"
            program = load(self.spec, self.spec.specificationVersion, str(weights))
        (self.function,) = program.functions.values()
        self.facts = dict(self.spec.description.metadata.userDefined)
        self._constants: dict[Any, Any] = {}
        for op in self.function.operations:
            if op.op_type == "const":
                self._constants[op.outputs[0]] = _plain(op.outputs[0].val)
            elif op.op_type.startswith("constexpr"):
                self._constants[op.outputs[0]] = _plain(op.materialized_val_inference())
            elif op.op_type not in OPERATIONS and op.op_type != "classify":
                raise ExportError(
                    f"'{path.name}' has the operator '{op.op_type}' of Core ML, which cannot be checked without a Mac; "
                    "check the package there, or leave the layer that needs it out of the space"
                )

    def __call__(self, x: Tensor) -> Tensor:
        """Logits (N, classes) for inputs (N, ...) as the package takes them."""
        return torch.vmap(self._one, chunk_size=64)(x[:, None])[:, 0]

    def _one(self, x: Tensor) -> Tensor:
        (image,) = self.function.inputs.values()
        values: dict[Any, Any] = {**self._constants, image: x}
        before_softmax = x
        largest = x.new_zeros(())
        for op in self.function.operations:
            if op.op_type == "classify":
                return _unless_beyond_half(before_softmax, largest)
            if op.op_type.startswith("const"):
                continue
            given = {name: self._value(given, values) for name, given in op.inputs.items() if given is not None}
            found = OPERATIONS[op.op_type](**given)
            if op.op_type == "softmax":
                before_softmax = given["x"]
            for var, value in zip(op.outputs, found if isinstance(found, tuple | list) else (found,), strict=True):
                values[var] = value
                if op.op_type in GROWING and var.is_tensor_or_scalar_of("fp16"):
                    largest = torch.maximum(largest, torch.linalg.vector_norm(value, torch.inf))
        (answer,) = self.function.outputs
        return _unless_beyond_half(values[answer], largest)

    def _value(self, given: Any, values: dict[Any, Any]) -> Any:
        if isinstance(given, list | tuple):
            return [values[var] for var in given]
        return values[given]


def _plain(value: Any) -> Any:
    """A constant as torch or Python takes it."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        tensor = torch.from_numpy(np.ascontiguousarray(value))
        return tensor.float() if tensor.is_floating_point() else tensor
    return value.item() if isinstance(value, np.generic) else value


def _unless_beyond_half(answer: Tensor, largest: Tensor) -> Tensor:
    """An answer, or infinity where a value on the way to it has no place in half precision."""
    return torch.where(largest > LARGEST_HALF, torch.inf, answer)


def _ints(value: Any) -> list[int]:
    return [int(v) for v in value]


def _padding(
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


def _conv(
    x: Tensor,
    weight: Tensor,
    strides: Any,
    pad_type: str,
    pad: Any,
    dilations: Any,
    groups: int,
    bias: Tensor | None = None,
) -> Tensor:
    step, apart = _ints(strides), _ints(dilations)
    x = F.pad(x, _padding(x, list(weight.shape[2:]), step, apart, pad_type, pad))
    convolve: Callable[..., Tensor] = F.conv1d if x.ndim == 3 else F.conv2d
    return convolve(x, weight, bias, step, 0, apart, int(groups))


def _pool(average: bool) -> Callable[..., Tensor]:
    def pool(
        x: Tensor,
        kernel_sizes: Any,
        strides: Any,
        pad_type: str,
        pad: Any,
        ceil_mode: bool = False,
        exclude_padding_from_average: bool = True,
    ) -> Tensor:
        kernel, step = _ints(kernel_sizes), _ints(strides)
        margin = _padding(x, kernel, step, [1] * len(kernel), pad_type, pad)
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


def _layer_norm(x: Tensor, axes: Any, epsilon: float, gamma: Any = None, beta: Any = None) -> Tensor:
    places = _ints(axes)
    centred = x - x.mean(places, keepdim=True)
    y = centred * torch.rsqrt(centred.square().mean(places, keepdim=True) + epsilon)
    return _along(_along(y, gamma, places, torch.mul), beta, places, torch.add)


def _along(y: Tensor, value: Any, axes: list[int], join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    if value is None:
        return y
    kept = {axis % y.ndim for axis in axes}
    return join(y, value.reshape([size if axis in kept else 1 for axis, size in enumerate(y.shape)]))


def _batch_norm(
    x: Tensor, mean: Tensor, variance: Tensor, epsilon: float, gamma: Any = None, beta: Any = None
) -> Tensor:
    y = (x - mean.reshape(-1, *[1] * (x.ndim - 2))) * torch.rsqrt(variance + epsilon).reshape(-1, *[1] * (x.ndim - 2))
    return _along(_along(y, gamma, [1], torch.mul), beta, [1], torch.add)


def _gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="none" if mode == "EXACT" else "tanh")


def _matmul(x: Tensor, y: Tensor, transpose_x: bool = False, transpose_y: bool = False) -> Tensor:
    return (x.transpose(-2, -1) if transpose_x else x) @ (y.transpose(-2, -1) if transpose_y else y)


def _slice(
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


def _split(x: Tensor, axis: int, num_splits: Any = None, split_sizes: Any = None) -> tuple[Tensor, ...]:
    if split_sizes is None:
        return tuple(torch.chunk(x, int(num_splits), int(axis)))
    return tuple(torch.split(x, _ints(split_sizes), int(axis)))


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
        "bool": torch.bool,
    }
    return x.to(kinds[dtype]) if isinstance(x, Tensor) else x


def _padded(x: Tensor, pad: Any, mode: str = "constant", constant_val: float = 0.0) -> Tensor:
    pairs = _ints(pad)
    ends = [side for i in reversed(range(len(pairs) // 2)) for side in pairs[2 * i : 2 * i + 2]]
    return F.pad(x, ends, value=float(constant_val)) if mode == "constant" else F.pad(x, ends, mode=mode)


def _expand_dims(x: Tensor, axes: Any) -> Tensor:
    for axis in sorted(_ints(axes)):
        x = x.unsqueeze(axis)
    return x


def _squeeze(x: Tensor, axes: Any = None) -> Tensor:
    for axis in sorted((axis % x.ndim for axis in _ints(axes)), reverse=True):
        x = x.squeeze(axis)
    return x


def _reshape(x: Tensor, shape: Any) -> Tensor:
    return x.reshape([x.shape[i] if size == 0 else size for i, size in enumerate(_ints(shape))])


def _upsample(
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


def _reduce(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda x, axes, keep_dims=False: function(x, _ints(axes), keepdim=bool(keep_dims))


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
    "layer_norm": _layer_norm,
    "batch_norm": _batch_norm,
    "instance_norm": lambda x, epsilon, gamma=None, beta=None: _batch_norm(
        x, x.mean((2, 3)).flatten(), x.var((2, 3), correction=0).flatten(), epsilon, gamma, beta
    ),
    "linear": lambda x, weight, bias=None: F.linear(x, weight, bias),
    "matmul": _matmul,
    "conv": _conv,
    "avg_pool": _pool(average=True),
    "max_pool": _pool(average=False),
    "scaled_dot_product_attention": _attention,
    "reduce_mean": _reduce(torch.mean),
    "reduce_sum": _reduce(torch.sum),
    "reduce_max": _reduce(torch.amax),
    "reduce_l2_norm": _reduce(lambda x, axes, keepdim: x.square().sum(axes, keepdim=keepdim).sqrt()),
    "reshape": _reshape,
    "transpose": lambda x, perm: x.permute(_ints(perm)),
    "expand_dims": _expand_dims,
    "squeeze": _squeeze,
    "concat": lambda values, axis, interleave=False: torch.cat(values, int(axis)),
    "stack": lambda values, axis: torch.stack(values, int(axis)),
    "split": _split,
    "slice_by_index": _slice,
    "tile": lambda x, reps: x.repeat(_ints(reps)),
    "pad": _padded,
    "gather": lambda x, indices, axis, **_: x.index_select(int(axis), indices.flatten().long()).reshape(
        *x.shape[: int(axis)], *indices.shape, *x.shape[int(axis) + 1 :]
    ),
    "select": lambda cond, a, b: torch.where(cond, a, b),
    "upsample_bilinear": _upsample,
    "pixel_unshuffle": lambda x, downscale_factor: F.pixel_unshuffle(x, int(downscale_factor)),
    "cast": _cast,
    "identity": lambda x: x,
}
"""What each operator computes; names and arguments are those of MIL."""
