"""Layers and networks through OpenVINO on a processor, precision pinned."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import process_clock, wall_clock
from vitnas.latency_lut.runtimes.memory import peak_of
from vitnas.latency_lut.runtimes.mixed import MixedFiles, check_integers, is_mixed
from vitnas.latency_lut.runtimes.onnx_runtime import stayed_float
from vitnas.latency_lut.runtimes.quantise import quantise
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime
from vitnas.latency_lut.runtimes.saturation import openvino_test
from vitnas.search_spaces import Blueprint

WITH_WEIGHTS = ("Convolution", "GroupConvolution", "FullyConnected")
"""Layer types that multiply by weights. `MatMul` has two activations, which OpenVINO mostly leaves in float."""

INTEGERS = ("i8", "u8")


def properties(threads: int) -> dict[str, Any]:
    """How models are compiled: the precision is pinned, and one call at a time runs."""
    return {
        "INFERENCE_PRECISION_HINT": "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,
    }


class OpenVino(Runtime):
    """fp32: without the pin OpenVINO takes bf16 where a processor has it, which is another device.

    Layers of another precision multiply integers, proven from the precision of each executed layer.
    """

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        self.files = MixedFiles(folder, batch)
        self.core = openvino.Core()
        # The call waits for a thread of OpenVINO's own, so the clock must be the whole process's.
        self.clock = process_clock if threads == 1 else wall_clock

    def file(self, blueprint: Blueprint) -> Path:
        return self.files.file(blueprint)

    def compiled(self, blueprint: Blueprint, path: Path) -> Any:
        try:
            model = self.core.compile_model(self.core.read_model(path), "CPU", properties(self.threads))
        except RuntimeError as error:
            kinds = ", ".join(dict.fromkeys(spec.kind for spec in blueprint))
            raise DeviceError(f"OpenVINO {openvino.__version__} cannot load layers of [{kinds}]: {error}") from error
        if is_mixed(blueprint):
            integers = Counter(kind for kind, precision in products(model) if precision in INTEGERS)
            check_integers("OpenVINO", blueprint, integers)
        return model

    def load(self, blueprint: Blueprint) -> Loaded:
        path = self.file(blueprint)
        values = np.random.default_rng(0).standard_normal(self.shape(blueprint), dtype=np.float32)

        def start() -> Any:
            request = self.compiled(blueprint, path).create_infer_request()
            request.set_input_tensor(openvino.Tensor(values))
            request.infer()
            return request

        request, peak_bytes = peak_of(start)
        return Loaded(self.clock(request.infer), peak_bytes)


class OpenVinoInt8(OpenVino):
    """int8 wherever OpenVINO multiplies by weights; refused where it would not."""

    def file(self, blueprint: Blueprint) -> Path:
        path = self.files.file(blueprint)
        if not len(blueprint):
            return path
        return quantise(path, path.with_suffix(".int8.onnx"), reduced=openvino_test().saturates)

    def compiled(self, blueprint: Blueprint, path: Path) -> Any:
        model = super().compiled(blueprint, path)
        floats = float_products(model)
        if floats:
            raise stayed_float("OpenVINO", blueprint, dict(floats))
        return model


def float_products(model: Any) -> Counter[str]:
    """The products with weights that a compiled model computes in something else than integers."""
    return Counter(f"{kind} in {precision}" for kind, precision in products(model) if precision not in INTEGERS)


def products(model: Any) -> list[tuple[str, str]]:
    """The products with weights of a compiled model: type of layer, and in what it is computed."""
    told = [layer.get_rt_info() for layer in model.get_runtime_model().get_ops()]
    found = [(t["layerType"].astype(str), t["runtimePrecision"].astype(str)) for t in told]
    return [(kind, precision) for kind, precision in found if kind in WITH_WEIGHTS]
