"""This machine's processor through PyTorch."""

from __future__ import annotations

import shutil

from vitnas.latency_lut.devices.measured import MeasuredHere


class Torch(MeasuredHere):
    """PyTorch operator by operator; it ranks networks otherwise than deployed runtimes do."""

    base = "cpu-torch"
    runtime = "vitnas.latency_lut.runtimes.torch_cpu:EagerCpu"
    distribution = "torch"
    module = "torch"


class TorchCompiled(Torch):
    """PyTorch through torch.compile, each network compiled for itself."""

    base = "cpu-torch-compiled"
    runtime = "vitnas.latency_lut.runtimes.torch_cpu:Compiled"

    def missing(self) -> str | None:
        if not any(map(shutil.which, ("g++", "clang++", "cl"))):
            return "torch.compile needs a C++ compiler; install g++ or clang"
        return super().missing()
