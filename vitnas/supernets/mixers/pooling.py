"""Pooling mixer (PoolFormer): every place takes the mean of its neighbourhood, less itself."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.layers.attributes import Attributes, OddKernel
from vitnas.supernets.mixers.mixer import ConvMixer


class PoolingMixer(ConvMixer):
    """average over kernel x kernel places inside the map, minus x. No weights but the norm's."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel

    attrs: Attrs

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        kernel = self.attrs.kernel
        return F.avg_pool2d(x_BDHW, kernel, 1, kernel // 2, count_include_pad=False) - x_BDHW
