"""Compressed networks as ONNX graphs: kept weights, products that are named, and which of them a session computes in integers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import fx, nn

from vitnas.deployment.compressed.graph import BLOCKS, products_of, rows_and_width, weight_name
from vitnas.deployment.compressed.qdq import precision_of
from vitnas.files.temporary import temporary_folder
from vitnas.latency_lut.runtimes.onnx import open_session
from vitnas.latency_lut.runtimes.onnx_runtime import is_integer
from vitnas.search_spaces.precision import BLOCK, FLOAT

PRODUCTS = ("Conv", "Gemm", "MatMul")
ON_THE_WAY = ("Transpose", "Reshape", "Slice", "DequantizeLinear")
"""Operators between a weight as it is kept and its product."""
_NAME_ALONE = re.compile(r"_token_\d+$")
"""What ONNX Runtime puts behind the name of a node that it moves."""
MICROSOFT, KERNEL = "com.microsoft", "MatMulNBits"
"""Whose operator multiplies by weights of 4 bits in blocks, and its name."""
EXACT, ROUNDS = 1, 4
"""Its levels that compute in fp32, and with activations in 8 bits."""


def compress(model: onnx.ModelProto, network: nn.Module) -> None:
    """Makes a graph one that runtimes compute as the network asks for."""
    name_products(model)
    shapes = {}
    for site, layer in network.named_children():
        if precision_of(layer) != FLOAT:
            assert isinstance(layer, fx.GraphModule)
            for product in products_of(layer):
                name = weight_name(product)
                if name.endswith(BLOCKS):
                    shapes[f"{site}.{name}"] = rows_and_width(product, getattr(layer, name).numel())
    if shapes:
        blocks_to_kernels(model, shapes)


def kept_bits(model: onnx.ModelProto) -> dict[str, int]:
    """In how many bits a graph keeps the weights of its named products."""
    kept = {weight.name: weight for weight in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    found = {}
    for node in model.graph.node:
        if "/" in node.name and (node.op_type in PRODUCTS or node.op_type == KERNEL):
            weight = kept.get(_weight(node, made_by)[0])
            if weight is not None:
                found[node.name] = 4 if node.op_type == KERNEL else 8 * numpy_helper.to_array(weight).itemsize
    return found


def integer_products(path: Path) -> set[str]:
    """The named products that a default session of a file computes in integers."""
    return {name for name, node in _executed(path) if is_integer(node.op_type)}


def rounding_products(path: Path) -> set[str]:
    """The named products whose activations the kernel for few bits rounds as well, which is nothing that a graph asks for."""
    return {
        name
        for name, node in _executed(path)
        if node.op_type == KERNEL and any(a.name == "accuracy_level" and a.i == ROUNDS for a in node.attribute)
    }


def _executed(path: Path) -> list[tuple[str, onnx.NodeProto]]:
    """What a default session of a file runs under names of products."""
    with temporary_folder() as folder:
        executed = folder / "executed.onnx"
        open_session(path, 1, optimised=executed)
        nodes = onnx.load(executed).graph.node
    return [(_NAME_ALONE.sub("", node.name), node) for node in nodes if "/" in node.name]


def name_products(model: onnx.ModelProto) -> None:
    """Names each product with a kept weight ``SITE/NUMBER``, and gives every one zeros and nodes of its own before its weight.

    The converter lets weights with as many channels share their zeros, and OpenVINO then takes such products for float ones. It
    also lets products of one weight share its nodes, and ONNX Runtime computes the later ones in float.
    """
    kept = {weight.name: weight for weight in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    numbers: Counter[str] = Counter()
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        name, dequantise = _weight(node, made_by) if node.op_type in PRODUCTS else ("", None)
        if dequantise is not None and name in kept:
            site = name.rpartition(".")[0]
            node.name = f"{site}/{numbers[site]}"
            numbers[site] += 1
            for own in _own_way(node, made_by):
                nodes.append(own)
                if own.op_type == "DequantizeLinear":
                    zeros = onnx.TensorProto()
                    zeros.CopyFrom(kept[own.input[2]])
                    zeros.name = own.input[2] = f"{own.name}_zeros"
                    model.graph.initializer.append(zeros)
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _drop_unused(model)


def blocks_to_kernels(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, int]]) -> None:
    """Gives products with weights in blocks to the kernel that reads two weights from a byte."""
    kept = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    nodes: list[onnx.NodeProto] = []
    packed: dict[str, NDArray[Any]] = {}  # once, however many products have a weight
    for node in model.graph.node:
        name, dequantise = _weight(node, made_by) if node.op_type in PRODUCTS else ("", None)
        if dequantise is None or not name.endswith(BLOCKS):
            nodes.append(node)
            continue
        scales = kept[dequantise.input[1]]
        rows, width = shapes[name]
        blocks = -(-width // BLOCK)
        own = {
            f"{name}_packed": _nibbles(kept[name].reshape(-1, blocks, BLOCK)),
            f"{name}_scales": scales.reshape(-1, blocks),
        }
        packed |= own
        bias = [*node.input[2:], ""][0]
        answer = f"{node.output[0]}_without_bias" if bias else node.output[0]
        how = {"K": width, "N": rows, "bits": 4, "block_size": BLOCK, "accuracy_level": EXACT}
        nodes.append(helper.make_node(KERNEL, [node.input[0], *own], [answer], node.name, domain=MICROSOFT, **how))
        if bias:
            nodes.append(helper.make_node("Add", [answer, bias], node.output, f"{node.name}_bias"))
    model.graph.initializer.extend(numpy_helper.from_array(value, part) for part, value in packed.items())
    if packed:
        model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    _drop_unused(model)


def _nibbles(steps: NDArray[Any]) -> NDArray[Any]:
    """Two steps a byte, the first in its lower half, 8 standing for zero."""
    halves = (steps + 8).astype(np.uint8)
    return halves[..., ::2] | halves[..., 1::2] << 4


def _weight(product: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> tuple[str, onnx.NodeProto | None]:
    """The name of the weight of a product as it is kept, and what makes numbers of it."""
    way = _way(product, made_by)
    name = way[0].input[0] if way else product.input[1]
    return name, next((node for node in way if node.op_type == "DequantizeLinear"), None)


def _way(product: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The nodes from a weight as it is kept to its product."""
    name, found = product.input[1], []
    while name in made_by and made_by[name].op_type in ON_THE_WAY:
        found.append(made_by[name])
        name = made_by[name].input[0]
    return found[::-1]


def _own_way(product: onnx.NodeProto, made_by: dict[str, onnx.NodeProto]) -> list[onnx.NodeProto]:
    """The same as nodes that no other product reads."""
    found: list[onnx.NodeProto] = []
    for node in _way(product, made_by):
        own = onnx.NodeProto()
        own.CopyFrom(node)
        own.name, own.output[0] = (
            f"{name}_of_{product.name.replace('/', '_')}" for name in (node.name, node.output[0])
        )
        if found:
            own.input[0] = found[-1].output[0]
        found.append(own)
    product.input[1] = found[-1].output[0]
    return found


def _drop_unused(model: onnx.ModelProto) -> None:
    """Leaves the nodes and numbers that the answer rests on."""
    graph = model.graph
    read = {answer.name for answer in graph.output}
    nodes: list[onnx.NodeProto] = []
    for node in reversed(graph.node):  # each stands behind those that it reads
        if not read.isdisjoint(node.output):
            nodes.append(node)
            read.update(node.input)
    kept = [weight for weight in graph.initializer if weight.name in read]
    told = [info for info in graph.value_info if info.name in read]
    for part, left in ((graph.node, nodes[::-1]), (graph.initializer, kept), (graph.value_info, told)):
        del part[:]
        part.extend(left)
