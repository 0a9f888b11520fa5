"""Convolutional additive attention against its formula."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.supernets.mixers.reference import image, lively, normed, run


def gate(x: Tensor, gate: nn.Module) -> Tensor:
    near = F.conv2d(x, gate.near.weight, gate.near.bias, padding=1, groups=x.shape[1])
    norm = gate.norm
    near = F.batch_norm(near, norm.running_mean, norm.running_var, norm.weight, norm.bias)
    x = x * torch.einsum("bchw,c->bhw", near.relu(), gate.place.weight[0, :, 0, 0]).sigmoid()[:, None]
    channel = x.mean(dim=(2, 3)) @ gate.channel.weight[:, :, 0, 0].T
    return x * channel.sigmoid()[:, :, None, None]


def test_gated_queries_and_keys_are_added() -> None:
    layer = lively("additive_attention", kernel=3)
    with torch.no_grad():
        x = image(layer)
        q, k, v = (torch.einsum("bhwc,oc->bohw", normed(layer, x), weight) for weight in layer.qkv_weight)
        context = gate(q, layer.query_gate) + gate(k, layer.key_gate)
        context = F.conv2d(context, layer.weigh.weight, layer.weigh.bias, padding=1, groups=8) * v
        expected = F.conv2d(context, layer.proj.weight, layer.proj.bias, padding=1, groups=8)
        torch.testing.assert_close(run(layer, x), expected.permute(0, 2, 3, 1))
