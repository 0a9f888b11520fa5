"""Int8 files: quantised wherever a runtime may compute in integers.

How long a network takes does not depend on where its ranges lie, so a file for measuring needs no
calibration; the answers of such a file mean nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantType
from onnxruntime.quantization.calibrate import TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.registry import QDQRegistry
from onnxruntime.quantization.shape_inference import quant_pre_process

REACH = 4.0
"""Every activation is taken to lie between -REACH and REACH."""
PRODUCTS = {"Conv": 4, "Gemm": 2, "MatMul": 2}
"""Operators that may multiply by weights -> the axes of these; tables that are looked into have others."""
FLOAT = ("LayerNormalization", "InstanceNormalization")
"""Operators that have no integer kernel on a processor."""


def quantise(
    source: Path,
    target: Path,
    calibrate: Callable[[Path], TensorsData] | None = None,
    kinds: Sequence[str] | None = None,
    reduced: bool = False,
    with_weights: bool = False,
) -> Path:
    """Writes an fp32 file as QDQ: u8 activations by tensor, s8 weights by channel, as ONNX Runtime runs them best.

    Args:
        source: the fp32 file.
        target: the file to write.
        calibrate: finds the ranges of a file's tensors; without it they are made up.
        kinds: of the operators to quantise; by default all that may run in integers.
        reduced: weights take 7 bits, for processors whose products of 8 bits saturate (see `saturation`).
        with_weights: leaves everything in float but products with weights, see `products_with_weights`.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # advice about the very steps taken here
    try:
        quant_pre_process(str(source), str(target), skip_symbolic_shape=True)
    finally:
        logging.disable(level)
    model = onnx.load(target)
    tables = [weight.name for weight in model.graph.initializer if _is_table(model, weight)]
    ranges = _made_up(model) if calibrate is None else calibrate(target)
    quantiser = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=reduced,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=products_with_weights(model) if with_weights else [],
        nodes_to_exclude=[],
        op_types_to_quantize=list(kinds or (name for name in QDQRegistry if name not in FLOAT)),
        # A table of matrices has no channel that its product keeps, so it has one scale.
        extra_options={
            "TensorQuantOverrides": {
                name: [{"quant_type": QuantType.QInt8, "reduce_range": reduced}] for name in tables
            },
            # Only a convolution has no kernel that takes integers and gives floats.
            "OpTypesToExcludeOutputQuantization": ["Gemm", "MatMul"] if with_weights else [],
        },
    )
    quantiser.quantize_model()
    quantiser.model.save_model_to_file(str(target), False)
    return target


def products_with_weights(model: onnx.ModelProto) -> list[str]:
    """The names of the operators of a file that multiply by a constant; those without a name get one."""
    axes = {weight.name: len(weight.dims) for weight in model.graph.initializer}
    found = []
    for i, node in enumerate(model.graph.node):
        if node.op_type in PRODUCTS and PRODUCTS[node.op_type] in {axes.get(name) for name in node.input[:2]}:
            node.name = node.name or f"product{i}"
            found.append(node.name)
    return found


def _made_up(model: onnx.ModelProto) -> TensorsData:
    """The same range for every tensor."""
    names = {name for node in model.graph.node for name in (*node.input, *node.output) if name}
    names |= {value.name for value in (*model.graph.input, *model.graph.output)}
    ends = np.array(-REACH, dtype=np.float32), np.array(REACH, dtype=np.float32)
    return TensorsData(CalibrationMethod.MinMax, {name: TensorData(lowest=ends[0], highest=ends[1]) for name in names})


def _is_table(model: onnx.ModelProto, weight: onnx.TensorProto) -> bool:
    """Whether this is one factor of a product of stacks of matrices."""
    return len(weight.dims) > 2 and any(
        node.op_type == "MatMul" and weight.name in node.input for node in model.graph.node
    )
