"""Mix-shift against rolls and convolutions of `torch.chunk`'s chunks."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run


@pytest.mark.parametrize("width", [10, 12, 13])
def test_chunks_are_rolled_and_convolved(width: int) -> None:
    layer = lively("mix_shift", width, kernels="1.3.3.5.7" if width != 12 else "1.3.5.7")
    with torch.no_grad():
        x = image(layer)
        chunks = normed(layer, x).permute(0, 3, 1, 2).chunk(len(layer.across), dim=1)
        expected = []
        for i, chunk in enumerate(chunks):
            step = i - len(chunks) // 2
            found = torch.zeros_like(chunk)
            for convs, axis in ((layer.across, 3), (layer.down, 2)):
                weight, bias = convs[i].weight, convs[i].bias
                padding, groups = weight.shape[-1] // 2, chunk.shape[1]
                found += F.conv2d(chunk.roll(step, axis), weight, bias, padding=padding, groups=groups)
            expected.append(found)
        torch.testing.assert_close(run(layer, x), torch.cat(expected, dim=1).permute(0, 2, 3, 1))
