"""Weights of few bits in Core ML: blocks of 4-bit numbers and palettes are kept as such in a package, and counted there.

What has one scale a row needs nothing of this: Core ML takes the operator as it is. Both operators below mean the weight that they stand
for, so a network with them answers as before.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from functools import cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from vitnas.deployment.compressed.executed import spread
from vitnas.deployment.compressed.graph import BLOCKS, products_of, rows_and_width, weight_name
from vitnas.deployment.compressed.proof import strays
from vitnas.deployment.compressed.qdq import precision_of, precisions_of
from vitnas.latency_lut.runtimes.coreml import quiet
from vitnas.search_spaces.precision import BLOCK, FLOAT, OF_PALETTES

IOS = 18
"""The first that runs programs with such weights."""
PRODUCTS = {"linear": "weight", "conv": "weight", "matmul": "y"}
"""Operators that multiply by a weight, and what they call it."""


@torch.library.custom_op("vitnas::weight_in_blocks", mutates_args=())
def weight_in_blocks(values: Tensor, scales: Tensor) -> Tensor:
    """Whole numbers (out, in) times scales (out, blocks)."""
    return values * scales.repeat_interleave(values.shape[1] // scales.shape[1], dim=1)


@torch.library.custom_op("vitnas::weight_of_palette", mutates_args=())
def weight_of_palette(places: Tensor, palette: Tensor) -> Tensor:
    """Entries of a palette, by their places in it."""
    return palette[places.long()]


@weight_in_blocks.register_fake
def _(values: Tensor, scales: Tensor) -> Tensor:
    return scales.new_empty(values.shape)


@weight_of_palette.register_fake
def _(places: Tensor, palette: Tensor) -> Tensor:
    return palette.new_empty(places.shape)


@cache
def register() -> None:
    """Tells coremltools what becomes of both."""
    with quiet():
        from coremltools.converters.mil import Builder, register_torch_op
        from coremltools.converters.mil.mil import types

    def number(bits: int, sign: str = "") -> Any:
        return types.nptype_from_builtin(types.string_to_builtin(f"{sign}int{bits}"))

    def in_blocks(context: Any, node: Any) -> None:
        values, scales = (context[name].val for name in node.inputs)
        data = values.astype(np.int8).astype(number(4))
        context.add(Builder.constexpr_blockwise_shift_scale(data=data, scale=scales, name=node.name))

    def of_palette(context: Any, node: Any) -> None:
        places, palette = (context[name].val for name in node.inputs)
        bits = next(bits for bits in OF_PALETTES if 2**bits >= len(palette))
        table = np.resize(palette, 2**bits).astype(palette.dtype).reshape(*[1] * places.ndim, -1, 1)
        indices = places.astype(np.uint8).astype(number(bits, "u"))
        context.add(Builder.constexpr_lut_to_dense(indices=indices, lut=table, name=node.name))

    register_torch_op(in_blocks, torch_alias=["vitnas::weight_in_blocks"])
    register_torch_op(of_palette, torch_alias=["vitnas::weight_of_palette"])


def for_coreml(network: nn.Sequential) -> nn.Sequential:
    """The same network with weights in blocks, and those of palettes, made by the operators above."""
    layers = OrderedDict(network.named_children())
    for site, layer in layers.items():
        precision = precision_of(layer)
        if isinstance(layer, fx.GraphModule) and precision != FLOAT:
            layers[site] = changed = copy.deepcopy(layer)
            changed.spec, layer = layer.spec, changed
            for product in products_of(layer):
                name = weight_name(product)
                if precision.palette:
                    _palette(layer, product, name)
                elif name.endswith(BLOCKS):
                    _blocks(layer, product, name)
            layer.graph.eliminate_dead_code()
            layer.recompile()
    return nn.Sequential(layers).eval()


def _palette(layer: fx.GraphModule, product: fx.Node, name: str) -> None:
    palette, places = torch.unique(getattr(layer, name).data, return_inverse=True)
    _made_by(layer, product, torch.ops.vitnas.weight_of_palette.default, name, places.to(torch.uint8), palette)


def _blocks(layer: fx.GraphModule, product: fx.Node, name: str) -> None:
    """Blocks are as long as a package can have them: where 32 does not divide a row, scales are repeated."""
    values, scales = getattr(layer, name), getattr(layer, name.removesuffix(BLOCKS) + "_scales").data
    rows, width = rows_and_width(product, values.numel())
    size = gcd(width, BLOCK)
    each = spread(scales.reshape(rows, -1), width)[:, ::size] if size < BLOCK else scales.reshape(rows, -1)
    values = values.reshape(rows, -1)[:, :width]
    _made_by(layer, product, torch.ops.vitnas.weight_in_blocks.default, name, values, each)


def _made_by(layer: fx.GraphModule, product: fx.Node, operator: Any, name: str, *values: Tensor) -> None:
    with layer.graph.inserting_before(product):
        got = []
        for part, value in zip(("of", "by"), values, strict=True):
            layer.register_buffer(f"{name}_{part}", value.contiguous())
            got.append(layer.graph.get_attr(f"{name}_{part}"))
        weight = layer.graph.call_function(operator, tuple(got))
    product.args = (product.args[0], weight, *product.args[2:])


def strays_of(path: Path, network: nn.Sequential) -> dict[str, str]:
    """The layers that a package does not hold as asked for; what a phone makes of them, only a phone knows."""
    from vitnas.deployment.coreml_interpreter import MilProgram

    names = [
        f"{site}/{number}"
        for site, layer in network.named_children()
        if isinstance(layer, fx.GraphModule)
        for number in range(len(products_of(layer)))
    ]
    held = list(_held(MilProgram(path).function))
    if len(names) != len(held):  # as where a converter makes one product of two
        return dict.fromkeys(precisions_of(network), f"the package has {len(held)} products for {len(names)}")
    integers = {name for name, (_, quantised) in zip(names, held, strict=True) if quantised}
    return strays(network, integers, dict(zip(names, (bits for bits, _ in held), strict=True)), "Core ML")


def _held(function: Any) -> Iterator[tuple[int, bool]]:
    """Bits of the weight of every product in a package, and whether bytes are multiplied by it."""
    for op in function.operations:
        weight = op.inputs.get(PRODUCTS.get(op.op_type, ""))
        made = None if weight is None else weight.op
        if made is None or not (
            made.op_type.startswith("constexpr") or (made.op_type == "const" and op.op_type != "matmul")
        ):
            continue
        kept = weight if made.op_type == "const" else made.inputs["indices" if "lut" in made.op_type else "data"]
        x = op.inputs["x"].op
        yield kept.dtype.get_bitwidth(), x is not None and x.op_type == "dequantize"
