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
    with temporary_folder() as folder:
        executed = folder / "executed.onnx"
        open_session(path, 1, optimised=executed)
        nodes = onnx.load(executed).graph.node
    return {_NAME_ALONE.sub("", node.name) for node in nodes if is_integer(node.op_type) and "/" in node.name}


def name_products(model: onnx.ModelProto) -> None:
    """Names each product with a kept weight ``SITE/NUMBER``, and gives every weight zeros of its own.

    The converter lets weights with as many channels share their zeros, and OpenVINO then takes such products for float ones.
    """
    kept = {weight.name: weight for weight in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    numbers: Counter[str] = Counter()
    for node in model.graph.node:
        if node.op_type not in PRODUCTS:
            continue
        name, dequantise = _weight(node, made_by)
        if dequantise is not None and name in kept:
            site = name.rpartition(".")[0]
            node.name = f"{site}/{numbers[site]}"
            numbers[site] += 1
            zeros = kept[dequantise.input[2]]
            own = onnx.TensorProto()
            own.CopyFrom(zeros)
            own.name = f"{dequantise.name}_zeros"
            model.graph.initializer.append(own)
            dequantise.input[2] = own.name
    _drop_unused(model)


def blocks_to_kernels(model: onnx.ModelProto, shapes: Mapping[str, tuple[int, int]]) -> None:
    """Gives products with weights in blocks to the kernel that reads two weights from a byte."""
    kept = {weight.name: numpy_helper.to_array(weight) for weight in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    nodes: list[onnx.NodeProto] = []
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
        model.graph.initializer.extend(numpy_helper.from_array(value, part) for part, value in own.items())
        bias = [*node.input[2:], ""][0]
        answer = f"{node.output[0]}_without_bias" if bias else node.output[0]
        how = {"K": width, "N": rows, "bits": 4, "block_size": BLOCK, "accuracy_level": 1}
        nodes.append(helper.make_node(KERNEL, [node.input[0], *own], [answer], node.name, domain=MICROSOFT, **how))
        if bias:
            nodes.append(helper.make_node("Add", [answer, bias], node.output, f"{node.name}_bias"))
    if any(node.domain == MICROSOFT for node in nodes):
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
    name, dequantise = product.input[1], None
    while name in made_by and made_by[name].op_type in ON_THE_WAY:
        node = made_by[name]
        dequantise = node if node.op_type == "DequantizeLinear" else dequantise
        name = node.input[0]
    return name, dequantise


def _drop_unused(model: onnx.ModelProto) -> None:
    read = {name for node in model.graph.node for name in node.input}
    left = [weight for weight in model.graph.initializer if weight.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(left)
