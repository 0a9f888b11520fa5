"""Exact counts of layers and networks, read off the real modules on the meta device."""

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from vitnas.search_spaces import FLOAT, LayerSpec, Precision
from vitnas.search_spaces.precision import BLOCK, FULL, MOST
from vitnas.supernets.layers import build
from vitnas.supernets.precision.products import Handler, ProductCall, run_layer

NUMBER_BYTES = 4
"""Of a number in fp32: biases, norms, scales and palettes."""


@dataclass(frozen=True)
class Counts:
    """What one layer or network costs, whatever the device.

    Attributes:
        num_params: trainable numbers; of a layer with fitted or resampled weights (see `Layer`) those that are deployed.
        macs: multiply-accumulates of convolutions, linear layers and matrix products for one
            image, of a layer as it is deployed or as its authors compute it (see `Layer.counted`); biases, normalisation, softmax,
            activations and pooling are not counted.
        weight_bytes: parameters and saved statistics, weights of products at the bits of their layer's precision, with a scale an
            output channel, a block of 32 inputs or a palette a product; the rest in fp32.
        activation_bytes: the most memory that inputs, outputs and intermediate results of one
            image take at the same time, in fp32.
        bitops: of every multiply-accumulate the bits of one factor times those of the other; 32 x 32 in float.
    """

    num_params: int = 0
    macs: int = 0
    weight_bytes: int = 0
    activation_bytes: int = 0
    bitops: int = 0

    @classmethod
    def over(cls, layers: Iterable[Counts]) -> Counts:
        """Of a chain of layers: the sum of each, and the peak of the activations."""
        each = list(layers)
        return cls(
            sum(c.num_params for c in each),
            sum(c.macs for c in each),
            sum(c.weight_bytes for c in each),
            max((c.activation_bytes for c in each), default=0),
            sum(c.bitops for c in each),
        )


@dataclass(frozen=True)
class FloatCounts:
    """What a layer costs in float, and what of that its products with weights do: from both follow its counts at any precision.

    Attributes:
        num_params, macs, weight_bytes, activation_bytes: as `Counts`.
        products: weights that they have; some are used more than once.
        calls: how often they are computed.
        product_macs: of all of them.
        product_weights: numbers in their weights.
        product_channels: that they put out.
        linear_blocks: blocks of `BLOCK` inputs that rows of linear layers are divided into, the last one filled up.
        convolution_weights, convolution_channels: of what are convolutions.
    """

    num_params: int
    macs: int
    weight_bytes: int
    activation_bytes: int
    products: int
    calls: int
    product_macs: int
    product_weights: int
    product_channels: int
    linear_blocks: int
    convolution_weights: int
    convolution_channels: int

    def at(self, precision: Precision) -> Counts:
        """The counts with weights, and perhaps activations, in fewer bits."""
        bits = precision.weight_bits
        weight_bytes, full = self.weight_bytes, FULL * FULL
        if bits < FULL:
            stored, numbers, tables = precision.stored_bits, self.product_weights, self.product_channels
            if precision.palette:
                tables = self.products * 2**stored
            in_bits = numbers * stored
            if precision.block is not None:  # which only linear layers are divided into
                in_bits = self.linear_blocks * BLOCK * stored + self.convolution_weights * MOST
                tables = self.linear_blocks + self.convolution_channels
            packed = -(-in_bits // 8) + NUMBER_BYTES * tables
            weight_bytes = max(weight_bytes - NUMBER_BYTES * self.product_weights, 0) + packed
        bitops = self.product_macs * bits * precision.activation_bits + (self.macs - self.product_macs) * full
        return Counts(self.num_params, self.macs, weight_bytes, self.activation_bytes, bitops)


@lru_cache(maxsize=1_000_000)
def count_layer(spec: LayerSpec) -> Counts:
    """Counts of one layer at its precision."""
    return count_in_float(spec.at(FLOAT.name)).at(Precision.of(spec.precision))


@lru_cache(maxsize=1_000_000)
def count_in_float(spec: LayerSpec) -> FloatCounts:
    """Counts of one layer, from building it without memory and running it on one image."""
    with torch.device("meta"), _Undrawn():  # type: ignore[no-untyped-call]
        layer = build(spec).to("meta").eval()
        x = torch.empty(1, *spec.in_shape)
    memory = flops = _Meter()
    deployed, counted = layer.deployed(), layer.counted()
    products = _Products(memory)
    with torch.no_grad(), memory:
        memory.hold(x)
        y = run_layer(deployed, x, products)
    if counted is not layer:
        flops = _Meter()
        products = _Products(flops)
        with torch.no_grad(), flops:
            run_layer(counted, x, products)
    if tuple(y.shape) != (1, *spec.out_shape):
        raise AssertionError(f"layer '{spec.key}' gives {tuple(y.shape[1:])}")
    kept = deployed if layer.fitted or layer.resampled else layer
    saved = kept.state_dict().values()
    return FloatCounts(
        num_params=sum(p.numel() for p in kept.parameters() if p.requires_grad),
        macs=flops.flops // 2,
        weight_bytes=sum(t.numel() * t.element_size() for t in saved),
        activation_bytes=memory.peak,
        products=len(products.weights),
        calls=products.calls,
        product_macs=products.flops // 2,
        product_weights=sum(math.prod(shape) for *_, shape in products.weights),
        product_channels=sum(shape[0] for *_, shape in products.weights),
        linear_blocks=sum(shape[0] * -(-shape[1] // BLOCK) for *_, shape in products.weights if len(shape) == 2),
        convolution_weights=sum(math.prod(shape) for *_, shape in products.weights if len(shape) != 2),
        convolution_channels=sum(shape[0] for *_, shape in products.weights if len(shape) != 2),
    )


def count(layers: Iterable[LayerSpec]) -> Counts:
    """Counts of a blueprint, or of any chain of layers."""
    return Counts.over(count_layer(spec) for spec in layers)


class _Undrawn(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Leaves weights as they are instead of drawing them: without memory that gives nothing and takes milliseconds."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return args[0] if func in _DRAWS else func(*args, **(kwargs or {}))


class _Meter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up operations by torch's own formulas, and follows the storages that eager execution keeps alive and their largest sum."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0
        self.now = 0
        self.peak = 0
        self._seen: set[int] = set()

    def hold(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._release, key, size)

    def _release(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = _run(func, args, kwargs or {})
        if (formula := flop_registry.get(func._overloadpacket)) is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        inputs = {t.untyped_storage()._cdata for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in inputs:
                self.hold(tensor)
        return result


class _Products(Handler):
    """Adds up the operations of products with weights, and notes the weights."""

    def __init__(self, meter: _Meter) -> None:
        self.calls = self.flops = 0
        self.weights: set[tuple[int, int, tuple[int, ...]]] = set()
        self._meter = meter

    def product(self, call: ProductCall) -> Tensor:
        weight, before = call.weight, self._meter.flops
        self.weights.add((weight.untyped_storage()._cdata, int(weight.storage_offset()), tuple(weight.shape)))
        found = call.plain()
        self.calls += 1
        self.flops += self._meter.flops - before
        return found


_DRAWS = {getattr(torch.ops.aten, name).default for name in ("normal_", "uniform_")}
_ACTIVATIONS = {getattr(torch.ops.aten, name).default for name in ("hardswish", "hardsigmoid", "relu", "silu", "gelu")}
_BATCH_NORM = torch.ops.aten.native_batch_norm.default
_LAYER_NORM = torch.ops.aten.native_layer_norm.default


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """What the operation gives, told from its inputs where the meta device's Python kernels take milliseconds."""
    if func in _ACTIVATIONS:
        return torch.empty_like(args[0])
    if func is _BATCH_NORM:
        mean = args[0].new_empty(args[0].shape[1])
        return torch.empty_like(args[0]), mean, torch.empty_like(mean)
    if func is _LAYER_NORM:
        inner = len(args[1])
        mean = args[0].new_empty(*args[0].shape[:-inner], *[1] * inner)
        return args[0].new_empty(args[0].shape), mean, torch.empty_like(mean)
    return func(*args, **kwargs)
