"""Mix-shift (MS-MLP): chunks of channels are shifted apart and see kernels of growing size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, Numbers
from vitnas.supernets.mixers.mixer import ConvMixer, depthwise
from vitnas.supernets.mixers.windows import cyclic_shift


class MixShift(ConvMixer):
    """The sum of two branches, one shifted across and one down.

    Chunk c of n moves cyclically by c - n // 2 places, then passes a depthwise convolution. Chunks
    are as equal as can be, larger ones first, as `torch.chunk` cuts them; a smaller width takes the first
    channels of each. MS-MLP puts its norm between mixing and MLP; here it comes first.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernels: Annotated[Numbers, about("the kernel of each chunk, with dots between")]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        kernels = [int(kernel) for kernel in self.attrs.kernels.split(".")]
        self.chunks = _chunks(spec.in_shape[0], len(kernels))
        pairs = list(zip(self.chunks, kernels, strict=True))
        self.across = nn.ModuleList(depthwise(*pair) for pair in pairs)
        self.down = nn.ModuleList(depthwise(*pair) for pair in pairs)

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        parts = torch.split(x_BDHW, self.chunks, dim=1)
        steps = range(-(len(parts) // 2), (len(parts) + 1) // 2)
        return torch.cat(
            [
                across(cyclic_shift(part, step, 3)) + down(cyclic_shift(part, step, 2))
                for part, step, across, down in zip(parts, steps, self.across, self.down, strict=True)
            ],
            dim=1,
        )


def _chunks(width: int, count: int) -> list[int]:
    each = -(-width // count)
    return [min(each, width - i * each) for i in range(count)]
