"""Layers and networks on an NVIDIA GPU: PyTorch with CUDA events or graphs, ONNX Runtime's CUDA and TensorRT."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import Stopwatch, wall_clock
from vitnas.latency_lut.runtimes.onnx import INPUT, OUTPUT, BlueprintFiles
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime
from vitnas.search_spaces import Blueprint
from vitnas.supernets.supernet import deployed_network


class EagerCuda(Runtime):
    """PyTorch operator by operator, fp32 without TF32; the GPU's own clock tells when it was done."""

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        require_gpu()
        torch.set_num_threads(threads)
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True

    def load(self, blueprint: Blueprint) -> Loaded:
        torch.manual_seed(0)
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        network = deployed_network(blueprint).cuda()
        x = torch.randn(self.shape(blueprint), device="cuda")

        @torch.inference_mode()
        def run() -> None:
            network(x) if len(blueprint) else x.clone()

        run()
        torch.cuda.synchronize()
        return Loaded(event_clock(self.ready(run)), torch.cuda.max_memory_allocated() - before)

    def ready(self, run: Callable[[], None]) -> Callable[[], object]:
        return run


class Graphs(EagerCuda):
    """The same kernels recorded once and replayed, without the cost of launching each."""

    def ready(self, run: Callable[[], None]) -> Callable[[], object]:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # libraries choose their kernels before the recording
                run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        return graph.replay


class OnnxCuda(Runtime):
    """ONNX Runtime with its CUDA provider, data kept on the GPU; refused where an operator stays on the processor."""

    provider = "CUDAExecutionProvider"
    options: ClassVar[dict[str, object]] = {"use_tf32": 0, "cudnn_conv_algo_search": "EXHAUSTIVE"}

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        require_gpu()
        self.files = BlueprintFiles(folder, batch)

    def load(self, blueprint: Blueprint) -> Loaded:
        import onnxruntime

        session = self.session(self.files.file(blueprint))
        values = np.random.default_rng(0).standard_normal(self.shape(blueprint), dtype=np.float32)
        binding = session.io_binding()
        binding.bind_ortvalue_input(INPUT, onnxruntime.OrtValue.ortvalue_from_numpy(values, "cuda", 0))
        binding.bind_output(OUTPUT, "cuda", 0)
        # A bound run returns when the GPU is done, so the wall clock is the caller's time.
        return Loaded(wall_clock(lambda: session.run_with_iobinding(binding)))

    def session(self, path: Path) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.log_severity_level = 3
        # Without this entry what the provider cannot run would quietly go to the processor.
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
        if self.provider not in onnxruntime.get_available_providers():
            raise DeviceError(
                f"this ONNX Runtime {onnxruntime.__version__} has no {self.provider}: it has "
                f"{onnxruntime.get_available_providers()}; install 'onnxruntime-gpu' in place of 'onnxruntime'"
            )
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=[(self.provider, self.options)])
        except Exception as error:  # onnxruntime raises bare C++ exceptions of many types
            raise DeviceError(f"ONNX Runtime cannot run '{path.name}' on {self.provider} alone: {error}") from error
        if session.get_providers()[0] != self.provider:
            raise DeviceError(f"{self.provider} did not start; ONNX Runtime fell back to {session.get_providers()}")
        return session


class TensorRT(OnnxCuda):
    """TensorRT through ONNX Runtime, fp32."""

    provider = "TensorrtExecutionProvider"
    options: ClassVar[dict[str, object]] = {
        "trt_fp16_enable": False,
        "trt_int8_enable": False,
        "trt_cuda_graph_enable": False,
    }


def event_clock(run: Callable[[], object]) -> Stopwatch:
    """Times calls between two events on the GPU's stream; the work of the block is queued back to back."""

    def milliseconds(runs: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()
        start.record()
        for _ in range(runs):
            run()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end))

    return milliseconds


def require_gpu() -> None:
    if not torch.cuda.is_available():
        built = torch.version.cuda or "no CUDA"
        raise DeviceError(
            f"PyTorch {torch.__version__} (built for {built}) finds no NVIDIA GPU; install a driver and a CUDA build "
            "of PyTorch, or measure on 'cpu'"
        )
