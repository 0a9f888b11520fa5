"""Compressed networks in OpenVINO: which products a compiled model computes in integers, and how its file keeps weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import nn

from vitnas.deployment.compressed.proof import names_of
from vitnas.latency_lut.runtimes.onnx import OUTPUT
from vitnas.latency_lut.runtimes.openvino import WITH_WEIGHTS
from vitnas.search_spaces.precision import FULL

_NAME = re.compile(r"(?P<product>[^,]+/\d+)(/[^,]*)?")
_INTEGER_KERNEL = "i8"
"""How the names of kernels end that multiply bytes; what is said of the precision is that of the weights as they are kept."""
_BITS = {"i4": 4, "u4": 4, "i8": 8, "u8": 8}


_TOLD = ("layerType", "primitiveType", "originalLayersNames")


def integer_products(compiled: Any, network: nn.Module) -> set[str]:
    """The named products that a compiled model computes in integers."""
    found = set()
    for layer in compiled.get_runtime_model().get_ops():
        told = {key: value.astype(str) for key, value in layer.get_rt_info().items() if key in _TOLD}
        if told["layerType"] in WITH_WEIGHTS and told["primitiveType"].lower().endswith(_INTEGER_KERNEL):
            names = [layer.get_friendly_name(), *told["originalLayersNames"].split(",")]
            found |= {name for name in (_product(one, network) for one in names) if name is not None}
    return found


def kept_bits(path: Path, network: nn.Module) -> dict[str, int]:
    """In how many bits a folder keeps the weights of named products."""
    import openvino

    found = {}
    for node in openvino.Core().read_model(path / "model.xml").get_ops():
        name = _product(node.get_friendly_name(), network)
        if name is not None and node.get_type_name() in ("MatMul", "Convolution", "GroupConvolution"):
            source = node.input_value(1).get_node()
            while source.get_type_name() != "Constant":
                source = source.input_value(0).get_node()
            found[name] = _BITS.get(source.get_element_type().get_type_name(), FULL)
    return found


def _product(name: str, network: nn.Module) -> str | None:
    """The product that a node of this name comes from; what makes the answer goes by the name of the answer."""
    if match := _NAME.fullmatch(name):
        return str(match["product"])
    last, _ = list(network.named_children())[-1]
    return names_of(network, last)[-1] if name.startswith(OUTPUT) else None
