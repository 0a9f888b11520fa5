"""The spectral gate in real matrix products against the fast Fourier transform, even and odd maps."""

from __future__ import annotations

import pytest
import torch

from tests.supernets.mixers.reference import image, lively, normed, run


@pytest.mark.parametrize(("height", "breadth"), [(6, 8), (7, 7), (5, 8), (8, 5), (14, 14), (2, 2)])
def test_it_is_the_gated_transform(height: int, breadth: int) -> None:
    layer = lively("spectral_gate", height=height, breadth=breadth)
    with torch.no_grad():
        x = image(layer)
        spectrum = torch.fft.rfft2(normed(layer, x).permute(0, 3, 1, 2), norm="ortho")
        gained = spectrum * torch.complex(layer.gain[0], layer.gain[1])
        expected = torch.fft.irfft2(gained, s=(height, breadth), norm="ortho").permute(0, 2, 3, 1)
        # The layer keeps its matrices in single precision.
        torch.testing.assert_close(run(layer, x), expected, rtol=1e-5, atol=1e-5)


def test_gains_of_one_change_nothing() -> None:
    layer = lively("spectral_gate", height=6, breadth=7)
    with torch.no_grad():
        layer.gain[0] = 1
        layer.gain[1] = 0
    x = image(layer)
    torch.testing.assert_close(run(layer, x), normed(layer, x), rtol=1e-5, atol=1e-5)
