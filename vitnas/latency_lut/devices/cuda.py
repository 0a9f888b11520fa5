"""An NVIDIA GPU of this machine."""

from __future__ import annotations

import ctypes
from importlib import util

from vitnas.latency_lut.devices.measured import ABSENT, MeasuredHere, version


class Cuda(MeasuredHere):
    """PyTorch operator by operator, timed by the GPU's own events; at batch one launching kernels dominates."""

    base = "cuda"
    runtime = "vitnas.latency_lut.runtimes.cuda:EagerCuda"
    distribution = "torch"
    module = "torch"
    clock = "gpu_events"

    def fingerprint(self) -> dict[str, str | int]:
        name, driver = _gpu() or ("none", "none")
        return {**super().fingerprint(), "clock": self.clock, "gpu": name, "driver": driver}

    def missing(self) -> str | None:
        if _gpu() is None:
            return "no NVIDIA GPU answers; install its driver, or measure on 'cpu'"
        return super().missing()


class CudaGraphs(Cuda):
    """The same kernels, recorded once and replayed."""

    base = "cuda-graphs"
    runtime = "vitnas.latency_lut.runtimes.cuda:Graphs"


class CudaOnnxRuntime(Cuda):
    """ONNX Runtime's CUDA provider, nothing left to the processor."""

    base = "cuda-onnxruntime"
    runtime = "vitnas.latency_lut.runtimes.cuda:OnnxCuda"
    distribution = "onnxruntime-gpu"
    module = "onnxruntime"
    clock = "wall_clock"

    def missing(self) -> str | None:
        if found := super().missing():
            return found
        if version(self.distribution) == ABSENT:  # the module alone may be that of the package for processors
            return "ONNX Runtime is here without CUDA; pip uninstall onnxruntime, then pip install onnxruntime-gpu"
        return None


class CudaTensorRT(CudaOnnxRuntime):
    """TensorRT through ONNX Runtime."""

    base = "cuda-tensorrt"
    runtime = "vitnas.latency_lut.runtimes.cuda:TensorRT"

    def missing(self) -> str | None:
        if found := super().missing():
            return found
        if util.find_spec("tensorrt") is None:
            return "the package 'tensorrt' is not installed; pip install tensorrt"
        return None


def _gpu() -> tuple[str, str] | None:
    """The first GPU's name and what CUDA its driver offers, asked of the driver itself: no package is needed."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    version, device, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(device), 0):
        return None
    if driver.cuDeviceGetName(name, len(name), device) or driver.cuDriverGetVersion(ctypes.byref(version)):
        return None
    return name.value.decode(), f"CUDA {version.value // 1000}.{version.value % 1000 // 10}"
