"""Folded layers as graphs: their products and norms by number, as `vitnas.supernets.precision` counts them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx
from torch.ao.quantization.fx import _decomposed  # noqa: F401 -- it registers the operators

BLOCKS = "_blocks"
"""How the names of weights end that have several scales a row."""

aten, decomposed = torch.ops.aten, torch.ops.quantized_decomposed

ON_THE_WAY = (decomposed.dequantize_per_channel.default, aten.reshape.default, aten.slice.Tensor)
"""Operators between a weight as it is kept and its product."""


def products_of(layer: fx.GraphModule) -> list[fx.Node]:
    """The products of activations and weights, in the order of their numbers."""
    return [
        node
        for node in layer.graph.nodes
        if node.target in (aten.linear.default, aten.conv2d.default) and _source(node.args[1]).op == "get_attr"
    ]


def norms_of(layer: fx.GraphModule) -> list[fx.Node]:
    """The layer norms that have a weight, in the order of their numbers."""
    return [
        node
        for node in layer.graph.nodes
        if node.target is aten.layer_norm.default and len(node.args) > 2 and node.args[2] is not None
    ]


def weight_name(product: fx.Node) -> str:
    """The name within its layer of the weight of a product as it is kept."""
    return str(_source(product.args[1]).target)


def rows_and_width(product: fx.Node, numbers: int) -> tuple[int, int]:
    """Of a weight in blocks that hold so many numbers: its rows, and their inputs without what fills up the last block."""
    node, width = _of(product.args[1]), None
    if node.target is aten.slice.Tensor:
        width, node = node.args[3], _of(node.args[0])
    rows = node.args[1][0]  # type: ignore[index]
    return int(rows), int(width or numbers // rows)  # type: ignore[operator, arg-type]


def last_of(product: fx.Node) -> fx.Node:
    """The node whose answer becomes bytes: the product, or the ReLU that alone reads it, which runtimes make one with it."""
    (reader, *others) = product.users
    return reader if not others and reader.target is aten.relu.default else product


def _source(node: Any) -> fx.Node:
    while node.op == "call_function" and node.target in ON_THE_WAY:
        node = node.args[0]
    return _of(node)


def _of(argument: Any) -> fx.Node:
    assert isinstance(argument, fx.Node)
    return argument


class Watch(fx.Interpreter):
    """Runs a layer and keeps what some of its nodes answer."""

    def __init__(self, layer: fx.GraphModule, nodes: Iterator[fx.Node]) -> None:
        super().__init__(layer)
        self.seen: dict[fx.Node, list[torch.Tensor]] = {node: [] for node in nodes}

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if n in self.seen:
            self.seen[n].append(value)
        return value
