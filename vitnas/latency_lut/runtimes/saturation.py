"""Whether a runtime's int8 products saturate on this processor, found by computing one. Needs no torch.

x86 processors without VNNI multiply bytes in pairs whose sum they cut off at 16 bits, and two products of a u8 and an s8
may exceed that. Weights of 7 bits never do: ``2 * 255 * 64 < 2 ** 15``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.latency_lut.settings import Int8Range

FULL_BITS, REDUCED_BITS = 8, 7

ACTIVATION, WEIGHT, TERMS = 255, 127, 64
EXACT = ACTIVATION * WEIGHT * TERMS
STEP = EXACT / 200
"""Of the quantised result, which takes the exact sum to 200 of 255."""
OPERATORS = ("MatMul", "Conv")
CHANNELS = 16
OPSET, IR_VERSION = 20, 10


@dataclass(frozen=True)
class SelfTest:
    """What a runtime made of products whose sum is `EXACT`.

    Attributes:
        runtime: with its version.
        sums: by operator, to half a `STEP`.
    """

    runtime: str
    sums: Mapping[str, float]

    @property
    def saturates(self) -> bool:
        return any(abs(found - EXACT) > STEP / 2 for found in self.sums.values())

    def __str__(self) -> str:
        if not self.saturates:
            return f"products of {self.runtime} do not saturate on this processor"
        name, found = max(self.sums.items(), key=lambda pair: abs(pair[1] - EXACT))
        return (
            f"products of {self.runtime} saturate on this processor: {name} sums {TERMS} products of {ACTIVATION} and "
            f"{WEIGHT} to {found:,.0f} instead of {EXACT:,}"
        )


@dataclass(frozen=True)
class WeightRange:
    """How wide the weights of an int8 file are, and why."""

    bits: int
    why: str

    @property
    def reduced(self) -> bool:
        return self.bits < FULL_BITS

    def __str__(self) -> str:
        return f"{self.bits}-bit weights: {self.why}"


def weight_range(asked: Int8Range, test: SelfTest) -> WeightRange:
    """Takes 7 bits where the self-test saturates, unless it is told otherwise."""
    found = "this processor's kernels saturate" if test.saturates else "this processor's kernels do not saturate"
    if asked == "auto":
        return WeightRange(REDUCED_BITS if test.saturates else FULL_BITS, found)
    joint = "although" if (asked == "full") == test.saturates else "and"
    return WeightRange(FULL_BITS if asked == "full" else REDUCED_BITS, f"as asked, {joint} {found}")


@lru_cache
def onnx_runtime_test() -> SelfTest:
    """Of ONNX Runtime on the processor."""
    import onnxruntime

    def compute(graph: bytes, x: Any) -> Any:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        return session.run(None, {"x": x})[0]

    return _test(f"ONNX Runtime {onnxruntime.__version__}", compute)


@lru_cache
def openvino_test() -> SelfTest:
    """Of OpenVINO on the processor."""
    import openvino

    core = openvino.Core()

    def compute(graph: bytes, x: Any) -> Any:
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        return core.compile_model(core.read_model(graph), "CPU", options)(x)[0]

    return _test(f"OpenVINO {metadata.version('openvino')}", compute)


def _test(runtime: str, compute: Callable[[bytes, Any], Any]) -> SelfTest:
    """Runs both operators; the outputs are all alike, and the farthest from the truth counts."""
    sums = {}
    for operator in OPERATORS:
        shape = (1, TERMS, 4, 4) if operator == "Conv" else (4, TERMS)
        y = np.asarray(compute(_graph(operator, shape), np.full(shape, ACTIVATION, np.float32)), np.float64).ravel()
        sums[operator] = float(y[np.abs(y - EXACT).argmax()])
    return SelfTest(runtime, sums)


def _graph(operator: str, shape: tuple[int, ...]) -> bytes:
    """One product as `quantise` writes it: u8 activations by tensor, s8 weights by channel."""
    from onnx import TensorProto, helper, numpy_helper

    convolves = operator == "Conv"
    weight: NDArray[np.int8] = np.full((CHANNELS, TERMS, 1, 1) if convolves else (TERMS, CHANNELS), WEIGHT, np.int8)
    constants = {
        "one": np.float32(1), "zero": np.uint8(0), "step": np.float32(STEP), "weight": weight,
        "ones": np.ones(CHANNELS, np.float32), "zeros": np.zeros(CHANNELS, np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["x_u8"]),
        helper.make_node("DequantizeLinear", ["x_u8", "one", "zero"], ["x_back"]),
        helper.make_node("DequantizeLinear", ["weight", "ones", "zeros"], ["w_back"], axis=0 if convolves else 1),
        helper.make_node(operator, ["x_back", "w_back"], ["sum"]),
        helper.make_node("QuantizeLinear", ["sum", "step", "zero"], ["sum_u8"]),
        helper.make_node("DequantizeLinear", ["sum_u8", "step", "zero"], ["y"]),
    ]
    out = (1, CHANNELS, *shape[2:]) if convolves else (shape[0], CHANNELS)
    graph = helper.make_graph(
        nodes,
        operator,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, out)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    return bytes(model.SerializeToString())
