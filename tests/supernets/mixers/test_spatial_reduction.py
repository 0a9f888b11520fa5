"""Spatial-reduction attention against a loop and against timm's PVT v2."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.mixers.reference import attend, image, lively, merge, normed, project, run
from tests.supernets.mixers.timm_models import timm_model


@pytest.mark.parametrize("reduction", [1, 2])
def test_keys_come_from_patches_of_the_map(reduction: int) -> None:
    layer = lively("spatial_reduction_attention", heads=2, head_width=3, reduction=reduction)
    x = image(layer)
    y = normed(layer, x)
    reduced = y
    if reduction > 1:
        patches = y.reshape(2, 2, 2, 3, 2, 8)  # (B, rows, down, columns, across, D)
        reduced = torch.einsum("bydxac,ocda->byxo", patches, layer.reduce.weight) + layer.reduce.bias
        norm = layer.reduced_norm
        reduced = F.layer_norm(reduced, (8,), norm.weight, norm.bias, norm.eps)
    k, v = (project(reduced, layer.kv.weight[i], layer.kv.bias[i]) for i in range(2))
    found = attend(project(y, layer.q.weight[0], layer.q.bias[0]), k, v)
    torch.testing.assert_close(run(layer, x), merge(found, layer.proj.weight, layer.proj.bias).detach())


def test_pooled_keys_come_from_averages() -> None:
    layer = lively("pooled_reduction_attention", heads=2, head_width=3, reduction=2)
    x = image(layer)
    y = normed(layer, x)
    pooled = y.reshape(2, 2, 2, 3, 2, 8).mean(dim=(2, 4)) @ layer.reduce.weight[:, :, 0, 0].T + layer.reduce.bias
    norm = layer.reduced_norm
    pooled = F.gelu(F.layer_norm(pooled, (8,), norm.weight, norm.bias, norm.eps))
    k, v = (project(pooled, layer.kv.weight[i], layer.kv.bias[i]) for i in range(2))
    found = attend(project(y, layer.q.weight[0], layer.q.bias[0]), k, v)
    torch.testing.assert_close(run(layer, x), merge(found, layer.proj.weight, layer.proj.bias).detach())


def test_reductions_of_the_pooled_form_share_their_weights() -> None:
    one, other = (lively("pooled_reduction_attention", heads=2, head_width=3, reduction=r) for r in (1, 2))
    assert {n: p.shape for n, p in one.named_parameters()} == {n: p.shape for n, p in other.named_parameters()}


@pytest.mark.parametrize(
    ("model", "kind"),
    [("pvt_v2_b0", "spatial_reduction_attention"), ("pvt_v2_b2_li", "pooled_reduction_attention")],
)
def test_it_is_the_attention_of_timms_pvt(model: str, kind: str) -> None:
    block = timm_model(model).stages[2].blocks[0]
    attention = block.attn
    width, heads = attention.q.weight.shape[0], attention.num_heads
    each = width // heads
    layer = lively(kind, width, 14, 14, heads=heads, head_width=each, reduction=2)
    layer.norm.load_state_dict(block.norm1.state_dict())
    layer.norm.eps = block.norm1.eps
    layer.reduce.load_state_dict(attention.sr.state_dict())
    layer.reduced_norm.load_state_dict(attention.norm.state_dict())
    layer.reduced_norm.eps = attention.norm.eps
    with torch.no_grad():
        for mine, theirs, roles in ((layer.q, attention.q, 1), (layer.kv, attention.kv, 2)):
            mine.weight.copy_(theirs.weight.view(roles, heads, each, width))
            mine.bias.copy_(theirs.bias.view(roles, heads, each))
        layer.proj.weight.copy_(attention.proj.weight.view(width, heads, each))
        layer.proj.bias.copy_(attention.proj.bias)
        x = image(layer)
        expected = attention(block.norm1(x.flatten(2).transpose(1, 2)), (14, 14))
        torch.testing.assert_close(run(layer, x), expected.view(2, 14, 14, width))
