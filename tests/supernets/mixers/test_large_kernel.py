"""Large-kernel convolution: one merged kernel answers like all branches, and fewer branches for smaller kernels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.mixers.large_kernel import BRANCHES


@pytest.mark.parametrize("kernel", sorted(BRANCHES))
def test_the_merged_kernel_answers_like_its_branches(kernel: int) -> None:
    layer = lively("large_kernel", height=16, breadth=18, kernel=kernel, family=kernel)
    assert len(layer.branches) == 1 + len(BRANCHES[kernel])
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x).permute(0, 3, 1, 2)
        z = layer.norm_after(sum(branch(y) for branch in layer.branches.values()))
        squeezed = (z.mean(dim=(2, 3)) @ layer.squeeze.weight[:, :, 0, 0].T + layer.squeeze.bias).relu()
        gate = (squeezed @ layer.excite.weight[:, :, 0, 0].T + layer.excite.bias).sigmoid()
        expected = (z * gate[:, :, None, None]).permute(0, 2, 3, 1)
        torch.testing.assert_close(run(layer, x), expected)


def test_training_runs_every_branch_and_moves_its_statistics() -> None:
    layer = lively("large_kernel", height=8, breadth=8, kernel=7, family=7).train()
    before = {name: buffer.clone() for name, buffer in layer.named_buffers() if "running" in name}
    layer(image(layer))
    assert all(not torch.equal(buffer, before[name]) for name, buffer in layer.named_buffers() if name in before)


def test_a_dilated_branch_is_a_kernel_with_gaps() -> None:
    layer = lively("large_kernel", kernel=7, family=7)
    branch = layer.branches["3x3by2"]
    kernel, _ = branch.merged(7)
    assert (kernel[:, :, 1::2, 1::2] != 0).all()
    assert kernel.count_nonzero() == 8 * 9
    alone = F.conv2d(torch.ones(1, 8, 9, 9, dtype=torch.double), kernel, groups=8)
    assert alone.shape[-1] == 3


def test_a_smaller_kernel_keeps_the_branches_within_its_reach() -> None:
    layer = lively("large_kernel", kernel=13, family=13)
    shape = layer.spec.in_shape
    small = layer.narrow(LayerSpec.of("large_kernel", shape, shape, kernel=7, family=13))
    assert list(small.branches) == ["whole", "5x5by1", "3x3by3"]
    assert torch.equal(small.branches["whole"].conv.weight, layer.branches["whole"].conv.weight[:, :, 3:10, 3:10])
