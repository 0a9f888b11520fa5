"""Layers and networks through PyTorch on a processor, as they are or compiled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import thread_clock, wall_clock
from vitnas.latency_lut.runtimes.memory import peak_of
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime
from vitnas.search_spaces import Blueprint
from vitnas.supernets.supernet import deployed_network


class EagerCpu(Runtime):
    """PyTorch operator by operator, in fp32."""

    def __init__(self, folder: Path, threads: int, batch: int) -> None:
        super().__init__(folder, threads, batch)
        torch.set_num_threads(threads)
        self.clock = thread_clock if threads == 1 else wall_clock

    def ready(self, network: nn.Module) -> Callable[[torch.Tensor], object]:
        return network

    def load(self, blueprint: Blueprint) -> Loaded:
        torch.manual_seed(0)
        x = torch.randn(self.shape(blueprint))

        def start() -> Callable[[], object]:
            network = self.ready(deployed_network(blueprint)) if len(blueprint) else torch.Tensor.detach

            @torch.inference_mode()
            def run() -> None:
                network(x)

            run()
            return run

        run, peak_bytes = peak_of(start)
        return Loaded(self.clock(run), peak_bytes)


class Compiled(EagerCpu):
    """PyTorch through torch.compile, every shape compiled for itself."""

    def ready(self, network: nn.Module) -> Callable[[torch.Tensor], object]:
        torch.compiler.reset()  # or the limit of recompilations turns later networks into eager ones
        return torch.compile(network, dynamic=False)

    def load(self, blueprint: Blueprint) -> Loaded:
        try:
            return replace(super().load(blueprint), peak_bytes=None)  # the compiler takes far more than the network
        except RuntimeError as error:
            raise DeviceError(
                f"torch.compile of PyTorch {torch.__version__} failed: {str(error).splitlines()[0]}; it needs a C++ "
                "compiler on the path, or use the device 'cpu-torch'"
            ) from error
