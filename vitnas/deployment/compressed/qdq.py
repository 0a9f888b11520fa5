"""Folded networks at their precision: pairs of quantise and dequantise around the products of layers in integers.

The network that comes out is the reference of every file: what it answers in PyTorch is what a runtime must answer. Layers begin
and end in float, so that the precision of one is no concern of the next.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from vitnas.deployment.compressed.executed import Codes, Executed, Kept
from vitnas.deployment.compressed.graph import (
    BLOCKS,
    Watch,
    aten,
    decomposed,
    last_of,
    norms_of,
    products_of,
    weight_name,
)
from vitnas.search_spaces.precision import BLOCK, FLOAT, Precision
from vitnas.supernets.precision.quantised import QuantisedLayer
from vitnas.supernets.precision.ranges import Histogram
from vitnas.supernets.precision.rounding import step_and_zero

BITS = 8
"""Of activations where runtimes multiply integers."""
LAST = 2**BITS - 1
BATCH = 32


@torch.no_grad()
def executed_layers(folded: nn.Sequential, rounded: nn.Sequential, images: Tensor) -> dict[str, Executed]:
    """What is multiplied at each site that is not in float.

    Args:
        folded: a network as `fold` gives it.
        rounded: the same with a `QuantisedLayer` at those sites, as `ladder` gives it.
        images: on which the ends of what convolutions give are measured, with all before them rounded.
    """
    found: dict[str, Executed] = {}
    x = list(torch.split(images, BATCH))
    for (site, layer), (_, low) in zip(folded.named_children(), rounded.named_children(), strict=True):
        if isinstance(low, QuantisedLayer):
            assert isinstance(layer, fx.GraphModule)
            one = Executed.of(low)
            if one.precision.integer:
                one = one.giving(_given(layer, one, x))
            found[site], layer = one, placed(layer, one)
        x = [layer(part) for part in x]
    return found


def _given(layer: fx.GraphModule, one: Executed, x: list[Tensor]) -> dict[int, Codes]:
    """Codes of what the convolutions of a layer give, the ReLU that follows included."""
    placed_layer = placed(layer, one)
    convolutions = {
        number: last_of(node)
        for number, node in enumerate(products_of(placed_layer))
        if node.target is aten.conv2d.default
    }
    if not convolutions:
        return {}
    watch = Watch(placed_layer, iter(convolutions.values()))
    for part in x:
        watch.run(part)
    ends = {
        node: Histogram.of(torch.cat([part.flatten() for part in seen])).ends(BITS) for node, seen in watch.seen.items()
    }
    return {number: step_and_zero(*ends[node], BITS) for number, node in convolutions.items()}


def at_precision(folded: nn.Sequential, executed: Mapping[str, Executed]) -> nn.Sequential:
    """A folded network, which is left as it was, with some layers as they are executed."""
    layers = OrderedDict(
        (site, placed(layer, executed[site]) if site in executed else layer)  # type: ignore[arg-type]
        for site, layer in folded.named_children()
    )
    return nn.Sequential(layers).eval()


def precision_of(layer: nn.Module) -> Precision:
    """The precision of a layer of such a network."""
    spec = getattr(layer, "spec", None)
    return FLOAT if spec is None else Precision.of(spec.precision)


def precisions_of(network: nn.Module) -> dict[str, Precision]:
    """The precision of each layer that is not in float, by site."""
    found = {site: precision_of(layer) for site, layer in network.named_children()}
    return {site: precision for site, precision in found.items() if precision != FLOAT}


def refused_by_processors(precision: Precision) -> str | None:
    """Why a processor's runtime has no layer at a precision; None where it has."""
    if precision.palette:
        return "no processor's runtime reads palettes; Core ML does"
    if precision.integer and precision.activation_bits != BITS:
        return f"no processor multiplies integers of {precision.activation_bits} bits; they can be simulated only"
    return None


def placed(layer: fx.GraphModule, one: Executed) -> fx.GraphModule:
    """A layer with its products and norms as they are executed."""
    spec: Any = layer.spec
    layer = copy.deepcopy(layer)
    layer.spec = spec.at(one.precision.name)
    graph = layer.graph
    twins: dict[str, dict[str, Kept]] = {}
    for number, node in enumerate(products_of(layer)):
        product, last = one.products[number], last_of(node)
        alike = twins.setdefault(weight_name(node), {})  # a weight that is used twice is kept once
        name = next((name for name, kept in alike.items() if kept.same(product.kept)), f"product{number}")
        alike[name] = product.kept
        with graph.inserting_before(node):
            weight = _weight(layer, name, product.kept)
            bias = None if product.bias is None else _attribute(layer, f"product{number}_bias", product.bias)
            x = node.args[0] if product.taken is None else _pair(graph, node.args[0], product.taken)
            node.args = (x, weight, bias, *node.args[3:])
        if product.given is not None:
            readers = list(last.users)
            with graph.inserting_before(last.next):
                back = _pair(graph, last, product.given)
            for reader in readers:
                reader.replace_input_with(last, back)
    for number, node in enumerate(norms_of(layer)):
        if number in one.norms:
            with graph.inserting_before(node):
                names = [f"norm{number}_{part}" for part in ("weight", "bias")]
                affine = [
                    None if t is None else _attribute(layer, n, t)
                    for n, t in zip(names, one.norms[number], strict=True)
                ]
            node.args = (*node.args[:2], *affine, *node.args[4:])
    graph.eliminate_dead_code()
    used = {node.target for node in graph.nodes if node.op == "get_attr"}
    for name in {*layer._parameters, *layer._buffers} - used:
        delattr(layer, name)
    layer.recompile()
    return layer


def _weight(layer: fx.GraphModule, name: str, kept: Kept) -> fx.Node:
    """What makes numbers of a weight as it is kept."""
    if kept.scales is None:
        return _attribute(layer, f"{name}_weight", kept.values)
    rows, size = len(kept.values), kept.values[0].numel()
    values = kept.values
    if kept.in_blocks:
        values = nn.functional.pad(values.flatten(1), (0, -size % BLOCK)).reshape(-1, BLOCK)
    parts = {
        f"{name}{BLOCKS if kept.in_blocks else '_steps'}": values,
        f"{name}_scales": kept.scales.flatten(),
        f"{name}_zeros": torch.zeros(kept.scales.numel(), dtype=torch.int64),
    }
    got = [_attribute(layer, part, value) for part, value in parts.items()]
    how = (0, -(LAST // 2), LAST // 2, torch.int8)
    weight = layer.graph.call_function(decomposed.dequantize_per_channel.default, (*got, *how))
    if kept.in_blocks:
        weight = layer.graph.call_function(aten.reshape.default, (weight, [rows, -1]))
        if size % BLOCK:
            weight = layer.graph.call_function(aten.slice.Tensor, (weight, 1, 0, size))
    return weight


def _attribute(layer: fx.GraphModule, name: str, value: Tensor) -> fx.Node:
    kept = value.detach().clone().contiguous()
    if hasattr(layer, name):
        return layer.graph.get_attr(name)
    if kept.is_floating_point():
        layer.register_parameter(name, nn.Parameter(kept, requires_grad=False))
    else:
        layer.register_buffer(name, kept)
    return layer.graph.get_attr(name)


def _pair(graph: fx.Graph, x: Any, codes: Codes) -> fx.Node:
    """What stands for x once it was rounded to bytes."""
    how = (*codes, 0, LAST, torch.uint8)
    taken = graph.call_function(decomposed.quantize_per_tensor.default, (x, *how))
    return graph.call_function(decomposed.dequantize_per_tensor.default, (taken, *how))
