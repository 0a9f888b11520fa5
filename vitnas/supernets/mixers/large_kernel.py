"""Large-kernel convolution (UniRepLK): parallel dilated branches that are one kernel once trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attributes import Attributes, OddKernel
from vitnas.supernets.layers.conv_norm import scale_and_shift
from vitnas.supernets.mixers.mixer import ConvMixer

BRANCHES = {
    17: ((5, 1), (9, 2), (3, 4), (3, 5), (3, 7)),
    15: ((5, 1), (7, 2), (3, 3), (3, 5), (3, 7)),
    13: ((5, 1), (7, 2), (3, 3), (3, 4), (3, 5)),
    11: ((5, 1), (5, 2), (3, 3), (3, 4), (3, 5)),
    9: ((5, 1), (5, 2), (3, 3), (3, 4)),
    7: ((5, 1), (3, 2), (3, 3)),
    5: ((3, 1), (3, 2)),
}
"""Kernel -> (kernel, dilation) of the branches beside it, as published."""


class LargeKernel(ConvMixer):
    """gate(norm(sum of branches)) of depthwise convolutions.

    `family` is the kernel whose published branches are used; those that reach further than `kernel`
    are left out, so a smaller kernel has no branch that the larger one lacks. In evaluation the
    branches and norms are added up to one kernel before it is applied: counted MACs, latency and
    exported graphs are those of one depthwise convolution. Parameters are counted as they are trained.
    """

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel
        family: Annotated[Literal[5, 7, 9, 11, 13, 15, 17], about("the kernel whose published branches are used")]

    attrs: Attrs

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {"branches.whole.conv.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, kernel = spec.in_shape[0], self.attrs.kernel
        near = [(k, d) for k, d in BRANCHES[self.attrs.family] if d * (k - 1) + 1 <= kernel]
        self.branches = nn.ModuleDict({"whole": Branch(width, kernel, 1)})
        self.branches.update({f"{k}x{k}by{d}": Branch(width, k, d) for k, d in near})
        self.norm_after = nn.BatchNorm2d(width)
        self.squeeze = nn.Conv2d(width, width // 4, 1)
        self.excite = nn.Conv2d(width // 4, width, 1)

    def convolve(self, x_BDHW: Tensor) -> Tensor:
        if self.norm_after.training:  # perhaps alone, while statistics are measured
            y = self.norm_after(sum(branch(x_BDHW) for branch in self.branches.values()))
        else:
            kernel, bias = self.merged()
            y = F.conv2d(x_BDHW, kernel, bias, padding=self.attrs.kernel // 2, groups=len(bias))
        gate = self.excite(self.squeeze(y.mean(dim=(2, 3), keepdim=True)).relu()).sigmoid()
        gated: Tensor = y * gate
        return gated

    def merged(self) -> tuple[Tensor, Tensor]:
        """The kernel and the bias that all branches and norms come to with the statistics they hold."""
        kernels, biases = zip(
            *(branch.merged(self.attrs.kernel) for branch in self.branches.values()),  # type: ignore[operator]
            strict=True,
        )
        scale, shift = scale_and_shift(self.norm_after)
        return sum(kernels) * scale[:, None, None, None], sum(biases) * scale + shift


class Branch(nn.Module):
    """A depthwise convolution and its batch norm."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(width, width, kernel, padding=padding, dilation=dilation, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.dilation = dilation
        nn.init.trunc_normal_(self.conv.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y

    def merged(self, size: int) -> tuple[Tensor, Tensor]:
        """The same as a kernel of this size without dilation, and a bias."""
        scale, shift = scale_and_shift(self.norm)
        kernel = _spread(_spread(self.conv.weight, self.dilation).transpose(2, 3), self.dilation).transpose(2, 3)
        margin = (size - kernel.shape[-1]) // 2
        return F.pad(kernel, (margin,) * 4) * scale[:, None, None, None], shift


def _spread(kernel: Tensor, dilation: int) -> Tensor:
    """Puts dilation - 1 zeros between the taps of the last axis."""
    apart = F.pad(kernel.unsqueeze(-1), (0, dilation - 1)).flatten(-2)
    return apart[..., : apart.shape[-1] - dilation + 1]
