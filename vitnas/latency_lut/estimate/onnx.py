"""The fused operators of an ONNX file, in the terms in which torch networks are traced."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from vitnas.errors import DeviceError
from vitnas.latency_lut.estimate.ops import Kind, Op
from vitnas.latency_lut.estimate.trace import FOLDS_INTO

_KINDS: dict[str, tuple[Kind, str]] = {
    "BatchNormalization": ("norm", "batch_norm"), "LayerNormalization": ("norm", "layer_norm"),
    "GroupNormalization": ("norm", "group_norm"), "InstanceNormalization": ("norm", "instance_norm"),
    "RMSNormalization": ("norm", "rms_norm"), "LpNormalization": ("norm", "normalize"),
    "Softmax": ("softmax", "softmax"), "LogSoftmax": ("softmax", "log_softmax"),
    "Relu": ("activation", "relu"), "Clip": ("activation", "hardtanh"), "Gelu": ("activation", "gelu"),
    "Sigmoid": ("activation", "sigmoid"), "HardSwish": ("activation", "hardswish"), "Tanh": ("activation", "tanh"),
    "HardSigmoid": ("activation", "hardsigmoid"), "LeakyRelu": ("activation", "leaky_relu"), "Elu": ("activation", "elu"),
    "Mish": ("activation", "mish"), "Swish": ("activation", "silu"), "PRelu": ("activation", "prelu"),
    "Erf": ("activation", "erf"), "Softplus": ("activation", "softplus"),
    "ReduceMean": ("reduce", "mean"), "ReduceSum": ("reduce", "sum"), "ReduceMax": ("reduce", "amax"),
    "ReduceMin": ("reduce", "amin"), "ArgMax": ("reduce", "argmax"), "ReduceL2": ("norm", "norm"),
    "GlobalAveragePool": ("pool", "adaptive_avg_pool2d"), "AveragePool": ("pool", "avg_pool2d"),
    "MaxPool": ("pool", "max_pool2d"), "GlobalMaxPool": ("pool", "adaptive_max_pool2d"),
    "Reshape": ("reshape", "reshape"), "Flatten": ("reshape", "flatten"), "Squeeze": ("reshape", "squeeze"),
    "Unsqueeze": ("reshape", "unsqueeze"), "Expand": ("reshape", "expand"),
    "Transpose": ("move", "permute"), "Concat": ("move", "cat"), "Split": ("move", "split"), "Slice": ("move", "slice"),
    "Gather": ("move", "gather"), "GatherND": ("move", "gather"), "GatherElements": ("move", "gather"),
    "Pad": ("move", "pad"), "Tile": ("move", "repeat"), "DepthToSpace": ("move", "pixel_shuffle"),
    "SpaceToDepth": ("move", "pixel_unshuffle"), "ScatterND": ("move", "scatter"), "CumSum": ("move", "cumsum"),
    "Resize": ("resize", "interpolate"), "GridSample": ("move", "grid_sample"),
}  # fmt: skip
_NOTHING = frozenset({"Identity", "Cast", "Dropout", "Shape", "Constant"})


def onnx_ops(path: Path) -> list[Op]:
    """The operators of one image; a batch that is left open counts as one."""
    import onnx

    if not path.is_file():
        raise DeviceError(f"'{path}' does not exist; write it with `vitnas export`, or check the path")
    try:
        model = onnx.load(path, load_external_data=False)
        for value in model.graph.input:
            for dim in value.type.tensor_type.shape.dim:
                if not dim.HasField("dim_value") or dim.dim_value < 1:
                    dim.dim_value = 1
        del model.graph.value_info[:]  # they may hold an open batch
        for value in model.graph.output:
            value.type.tensor_type.ClearField("shape")
        graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception as error:  # onnx raises protobuf's exceptions and its own
        raise DeviceError(f"'{path}' cannot be read as an ONNX network: {error}") from error
    return _Reader(graph, path).ops


class _Reader:
    """Goes through a graph in its order."""

    def __init__(self, graph: Any, path: Path) -> None:
        self.path = path
        self.ops: list[Op] = []
        self.shapes = {
            v.name: tuple(d.dim_value for d in v.type.tensor_type.shape.dim)
            for v in [*graph.input, *graph.value_info, *graph.output]
            if v.type.tensor_type.HasField("shape")
        }
        constants = {w.name: tuple(w.dims) for w in graph.initializer}
        self.shapes |= constants
        self.made_by = {v.name: -1 for v in graph.input if v.name not in constants}
        for node in graph.node:
            self._take(node)

    def _take(self, node: Any) -> None:
        live = [name for name in node.input if name in self.made_by]
        if not live or node.op_type == "Shape":
            return
        before = self.made_by[live[0]]
        if node.op_type in _NOTHING:
            self._mark(node, before)
            return
        unknown = [name for name in (*live, *node.output[:1]) if not all(self.shapes.get(name, (0,)))]
        if unknown:
            raise DeviceError(
                f"'{self.path.name}': the shape of '{unknown[0]}' ({node.op_type}) is not known; export the network with a "
                "fixed image size"
            )
        folded = self._fold(node, live, before)
        if folded is not None:
            self.ops[before] = folded
            self._mark(node, before)
            return
        self.ops.append(self._op(node, live))
        self._mark(node, len(self.ops) - 1)

    def _mark(self, node: Any, op: int) -> None:
        for name in node.output:
            self.made_by[name] = op
            if node.op_type in _NOTHING:
                self.shapes.setdefault(name, self.shapes.get(node.input[0], ()))

    def _fold(self, node: Any, live: Sequence[str], before: int) -> Op | None:
        if before < 0 or len(set(live)) != 1:
            # x * sigmoid(x) is SiLU, and x * hardsigmoid(x) hard-swish, however they are written
            return self._gate(node, live)
        op, shape = self.ops[before], self.shapes[node.output[0]]
        if op.kind not in FOLDS_INTO or math.prod(shape) != op.written:
            return None
        kind, name = _KINDS.get(node.op_type, ("elementwise", ""))
        if name == "batch_norm" and not op.activation:
            return op
        constants = sum(math.prod(self.shapes[n]) for n in node.input if n and n not in self.made_by)
        if node.op_type in ("Mul", "Add", "Div", "Sub") and not op.activation and constants in (1, op.channels_out):
            return replace(op, weights=op.weights + constants) if node.op_type == "Add" else op
        return replace(op, activation=name) if kind == "activation" and not op.activation else None

    def _gate(self, node: Any, live: Sequence[str]) -> Op | None:
        if node.op_type != "Mul" or len(live) != 2:
            return None
        first, second = (self.made_by[name] for name in live)
        if first != second or first < 0:
            return None
        op = self.ops[first]
        renamed = {"sigmoid": "silu", "hardsigmoid": "hardswish"}.get(op.activation)
        return replace(op, activation=renamed) if renamed and op.kind in FOLDS_INTO else None

    def _op(self, node: Any, live: Sequence[str]) -> Op:
        given = {a.name: a for a in node.attribute}
        shape = self.shapes[node.output[0]]
        inputs = [self.shapes.get(name, ()) for name in node.input]
        constants = [self.shapes[n] for n in node.input if n and n not in self.made_by and n in self.shapes]
        numeric = node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul") or node.op_type not in _KINDS
        written = sum(math.prod(self.shapes.get(name, ())) for name in node.output if name in self.shapes)
        flow = {
            "read": sum(math.prod(self.shapes[name]) for name in dict.fromkeys(live)),
            "written": written,
            "weights": sum(map(math.prod, constants)) if numeric or "Normalization" in node.op_type else 0,
            "rank": max(len(s) for s in (shape, *(self.shapes[name] for name in live))),
        }
        if node.op_type in ("Conv", "ConvTranspose"):
            x, weight = inputs[0], inputs[1]
            groups = given["group"].i if "group" in given else 1
            strides = list(given["strides"].ints) if "strides" in given else [1]
            transposed = node.op_type == "ConvTranspose"
            inner = x[1] // groups * math.prod(weight[2:])
            macs = math.prod(x) * math.prod(weight[1:]) if transposed else math.prod(shape) * inner
            return Op(
                "conv" if groups == 1 else "depthwise" if groups == x[1] else "grouped",
                "conv_transpose2d" if transposed else "conv2d", shape, macs, inner=inner, kernel=max(weight[2:]),
                stride=max(strides), channels_in=x[1], channels_out=shape[1], batch=groups, **flow
            )  # fmt: skip
        if node.op_type in ("MatMul", "Gemm"):
            a = inputs[0]
            inner = a[0] if node.op_type == "Gemm" and "transA" in given and given["transA"].i else a[-1]
            return Op(
                "linear" if constants else "matmul", "linear" if constants else "matmul", shape,
                math.prod(shape) * inner, inner=inner, channels_in=inner, channels_out=shape[-1],
                batch=1 if constants else math.prod(shape[:-2]), **flow
            )  # fmt: skip
        kind, name = _KINDS.get(node.op_type, ("elementwise", node.op_type.lower()))
        window = max(given["kernel_shape"].ints) if "kernel_shape" in given else 1
        stride = max(given["strides"].ints) if "strides" in given else 1
        channels = inputs[0][-1] if name in ("layer_norm", "softmax") else inputs[0][1] if len(inputs[0]) > 1 else 1
        return Op(kind, name, shape, kernel=window, stride=stride, channels_in=channels, channels_out=channels, **flow)
