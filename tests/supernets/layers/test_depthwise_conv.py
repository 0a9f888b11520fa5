"""A smaller depthwise kernel is the middle of the larger one."""

from __future__ import annotations

import torch

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build


@torch.no_grad()
def test_a_smaller_kernel_equals_the_larger_with_its_border_silent() -> None:
    specs = [LayerSpec.of("depthwise_conv", (4, 7, 7), (4, 7, 7), kernel=kernel) for kernel in (3, 5)]
    large = build(specs[1]).eval()
    small = large.narrow(specs[0])
    border = torch.ones(5, 5, dtype=torch.bool)
    border[1:4, 1:4] = False
    large.body.conv.weight[:, :, border] = 0  # type: ignore[union-attr, operator, index]
    x = torch.randn(2, 4, 7, 7)
    torch.testing.assert_close(small(x), large(x))
