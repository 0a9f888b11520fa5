"""Layers and networks through ONNX Runtime on a processor, in fp32 and in int8."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import thread_clock, wall_clock
from vitnas.latency_lut.runtimes.memory import peak_of
from vitnas.latency_lut.runtimes.mixed import MixedFiles, check_integers, is_mixed
from vitnas.latency_lut.runtimes.onnx import INPUT, open_session
from vitnas.latency_lut.runtimes.quantise import PRODUCTS, quantise
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime
from vitnas.latency_lut.runtimes.saturation import onnx_runtime_test
from vitnas.search_spaces import Blueprint

BYTES = (onnx.TensorProto.INT8, onnx.TensorProto.UINT8)
WITHOUT_FUSION = ("MatMulAddFusion",)
"""Optimisers that turn quantised products back into float ones."""


class OnnxRuntime(Runtime):
    """fp32, all optimisations; layers of another precision multiply integers, proven from the graph that is executed."""

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        self.files = MixedFiles(folder, batch)
        # One thread does everything itself, so its own clock leaves out what other processes take.
        self.clock = thread_clock if threads == 1 else wall_clock

    def file(self, blueprint: Blueprint) -> Path:
        return self.files.file(blueprint)

    def session(self, blueprint: Blueprint, path: Path) -> Any:
        if not is_mixed(blueprint):
            return open_session(path, self.threads)
        session, executed = self.quantised(path)
        check_integers("ONNX Runtime", blueprint, weights_in_integers(executed))
        return session

    def quantised(self, path: Path) -> tuple[Any, onnx.GraphProto]:
        """A session in which products stay quantised, and the graph that it runs."""
        executed = self.folder / "executed.onnx"
        session = open_session(path, self.threads, without=WITHOUT_FUSION, optimised=executed)
        return session, onnx.load(executed).graph

    def load(self, blueprint: Blueprint) -> Loaded:
        path = self.file(blueprint)
        feed = {INPUT: np.random.default_rng(0).standard_normal(self.shape(blueprint), dtype=np.float32)}

        def start() -> Any:
            session = self.session(blueprint, path)
            session.run(None, feed)
            return session

        session, peak_bytes = peak_of(start)
        return Loaded(self.clock(lambda: session.run(None, feed)), peak_bytes)


class OnnxRuntimeInt8(OnnxRuntime):
    """Static int8: weights by channel, activations by tensor; refused where a product is computed in float."""

    def file(self, blueprint: Blueprint) -> Path:
        path = self.files.file(blueprint)
        if not len(blueprint):
            return path
        return quantise(path, path.with_suffix(".int8.onnx"), reduced=onnx_runtime_test().saturates)

    def session(self, blueprint: Blueprint, path: Path) -> Any:
        session, executed = self.quantised(path)
        operators = Counter(node.op_type for node in executed.node)
        floats = {name: n for name, n in operators.items() if name.endswith(tuple(PRODUCTS)) and not is_integer(name)}
        if floats:
            raise stayed_float("ONNX Runtime", blueprint, floats)
        return session


def is_integer(operator: str) -> bool:
    """Whether ONNX Runtime's operator of this name multiplies integers."""
    return operator.startswith("Q") or "Integer" in operator


def weights_in_integers(graph: onnx.GraphProto) -> Counter[str]:
    """How many products with weights each operator of a graph computes in integers.

    Those of two activations are not among them: where both come out of convolutions in integers, ONNX Runtime multiplies what it
    has, and the answer is the same.
    """
    weights = {
        one.name for one in graph.initializer if one.data_type in BYTES and len(one.dims) >= min(PRODUCTS.values())
    }
    return Counter(
        node.op_type
        for node in graph.node
        if is_integer(node.op_type) and any(p in node.op_type for p in PRODUCTS) and weights & {*node.input}
    )


def stayed_float(runtime: str, blueprint: Blueprint, operators: dict[str, int]) -> DeviceError:
    """What to raise where an int8 network would be measured as a float one."""
    kinds = ", ".join(dict.fromkeys(spec.kind for spec in blueprint))
    shown = ", ".join(f"{n} {name}" for name, n in operators.items())
    return DeviceError(
        f"{runtime} would run products with weights of [{kinds}] in float on an int8 device: {shown}; such a figure "
        "would be labelled wrongly, so it is refused. Measure on the fp32 device, or use another runtime"
    )
