"""Pooling mixer (PoolFormer): every place takes the mean of its neighbourhood, less itself."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.mixers.mixer import ConvMixer


class PoolingMixer(ConvMixer):
    """average over kernel x kernel places inside the map, minus x; attrs: kernel (odd). No weights but the norm's."""

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        kernel = self.spec["kernel"]
        return F.avg_pool2d(x_BDHW, kernel, 1, kernel // 2, count_include_pad=False) - x_BDHW
