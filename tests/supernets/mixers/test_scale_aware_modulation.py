"""Scale-aware modulation against its formula, channel by channel, and the order that groups rest on."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run


def test_groups_join_the_same_channel_of_all_scales() -> None:
    scales, each = 4, 2
    layer = lively("scale_aware_modulation", scales=scales)
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x)
        seen = []
        for i in range(scales):
            part = (y @ layer.scales_weight[i].T + layer.scales_bias[i]).permute(0, 3, 1, 2)
            conv = layer.near[i]
            assert conv.weight.shape[-1] == 3 + 2 * i
            seen.append(F.conv2d(part, conv.weight, conv.bias, padding=1 + i, groups=each))
        joined = torch.zeros(2, 16, *x.shape[2:], dtype=torch.double)
        for out in range(16):
            group = out // (2 * scales)
            for i in range(scales):
                joined[:, out] += layer.join.weight[out, i, 0, 0] * seen[i][:, group]
            joined[:, out] += layer.join.bias[out]
        norm = layer.join_norm
        joined = F.gelu(F.batch_norm(joined, norm.running_mean, norm.running_var, norm.weight, norm.bias))
        modulator = joined.permute(0, 2, 3, 1) @ layer.reduce.weight[:, :, 0, 0].T + layer.reduce.bias
        value = y @ layer.value.weight[:, :, 0, 0].T + layer.value.bias
        expected = (modulator * value) @ layer.proj.weight[:, :, 0, 0].T + layer.proj.bias
        torch.testing.assert_close(run(layer, x), expected)
