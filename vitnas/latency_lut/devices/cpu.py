"""This machine's processor through ONNX Runtime."""

from __future__ import annotations

from vitnas.latency_lut.devices.measured import Int8Here, MixedHere
from vitnas.latency_lut.runtimes.saturation import SelfTest, onnx_runtime_test


class CPU(MixedHere):
    """ONNX Runtime, fp32 where a layer does not say otherwise; it lays maps out in blocks of channels where that is faster."""

    base = "cpu"
    runtime = "vitnas.latency_lut.runtimes.onnx_runtime:OnnxRuntime"
    distribution = "onnxruntime"
    module = "onnxruntime"

    def self_test(self) -> SelfTest:
        return onnx_runtime_test()


class CPUInt8(Int8Here, CPU):
    """ONNX Runtime, static int8; proven from the graph that it executes."""

    base = "cpu-int8"
    runtime = "vitnas.latency_lut.runtimes.onnx_runtime:OnnxRuntimeInt8"
