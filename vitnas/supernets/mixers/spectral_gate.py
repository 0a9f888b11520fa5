"""Spectral gating (GFNet, SpectFormer): every frequency of every channel has a learned complex gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.mixers.mixer import ConvMixer


class SpectralGate(ConvMixer):
    """irfft2(gain * rfft2(x)), both orthonormal, over the map.

    Written as real matrix products, as exchange formats lack complex numbers: exact, and counted as
    the D (W/2 + 1) (4 H W + 8 H^2) MACs they are. The gains belong to the map's size. SpectFormer has one
    residual around gate and FFN together; here each has its own.
    """

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {"gain": (2, 3)}

    across_real: Tensor
    across_imag: Tensor
    down_real: Tensor
    down_imag: Tensor
    back_real: Tensor
    back_imag: Tensor

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, height, breadth = spec.in_shape
        self.gain = nn.Parameter(0.02 * torch.randn(2, width, height, breadth // 2 + 1))
        down, across = _fourier(height, height), _fourier(breadth, breadth // 2 + 1)
        # Columns that stand for themselves and for their mirror image count twice on the way back.
        twice = np.full(breadth // 2 + 1, 2.0)
        twice[0] = 1
        if breadth % 2 == 0:
            twice[-1] = 1
        for name, matrix in (("down", down), ("across", across), ("back", (across.conj() * twice).T)):
            self.constant(f"{name}_real", matrix.real.astype(np.float32))
            self.constant(f"{name}_imag", matrix.imag.astype(np.float32))

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        real, imag = x_BDHW @ self.across_real, x_BDHW @ self.across_imag
        real, imag = self._down(real, imag, 1)
        gain_real, gain_imag = self.gain
        real, imag = real * gain_real - imag * gain_imag, real * gain_imag + imag * gain_real
        real, imag = self._down(real, imag, -1)
        y: Tensor = real @ self.back_real - imag @ self.back_imag
        return y

    def _down(self, real: Tensor, imag: Tensor, direction: int) -> tuple[Tensor, Tensor]:
        """The transform of columns, or with direction -1 its inverse, which is its complex conjugate."""
        cos, sin = self.down_real, self.down_imag * direction
        return cos @ real - sin @ imag, cos @ imag + sin @ real


def _fourier(size: int, frequencies: int) -> NDArray[np.complex128]:
    """(size, frequencies): the orthonormal discrete Fourier transform."""
    turns = np.outer(np.arange(size), np.arange(frequencies)) / size
    found: NDArray[np.complex128] = np.exp(-2j * np.pi * turns) / np.sqrt(size)
    return found
