"""Linear attention and concentration against the quadratic form, with weights on both sides of the clamp."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, merge, normed, project
from vitnas.supernets.mixers.linear_attention import LEAST_WEIGHT


def test_the_state_of_keys_and_values_answers_like_all_pairs() -> None:
    layer = lively("linear_attention", heads=2, head_width=3, kernel=3)
    with torch.no_grad():
        layer.norm.weight.mul_(8)
        x = image(layer)
        y = normed(layer, x)
        q, k, v = (project(y, layer.qkv.weight[i], layer.qkv.bias[i]).flatten(1, 2) for i in range(3))
        pairs = torch.einsum("btne,bsne->bnts", q.relu(), k.relu())
        weight = pairs.sum(dim=-1, keepdim=True)
        assert (weight > LEAST_WEIGHT).any()
        assert (weight < LEAST_WEIGHT).any()
        found = layer.temperature * (pairs / weight.clamp(min=LEAST_WEIGHT)) @ v.transpose(1, 2)
        attended = merge(found.transpose(1, 2), layer.proj.weight, layer.proj.bias).reshape(y.shape)
        z = x + attended.permute(0, 3, 1, 2)
        local = F.layer_norm(z.permute(0, 2, 3, 1), (8,), layer.local_norm.weight, layer.local_norm.bias, 1e-6)
        local = F.conv2d(local.permute(0, 3, 1, 2), layer.spread.weight, layer.spread.bias, padding=1, groups=8)
        norm = layer.middle_norm
        local = F.batch_norm(F.gelu(local), norm.running_mean, norm.running_var, norm.weight, norm.bias)
        local = F.conv2d(local, layer.gather.weight, layer.gather.bias, padding=1, groups=8)
        torch.testing.assert_close(layer(x), z + local)
