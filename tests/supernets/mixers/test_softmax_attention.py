"""Softmax attention on maps against a loop over queries."""

from __future__ import annotations

import torch

from tests.supernets.mixers.reference import attend, image, lively, merge, normed, project, run


def test_it_is_attention_over_all_places() -> None:
    layer = lively("map_attention", heads=2, head_width=3)
    x = image(layer)
    q, k, v = (project(normed(layer, x), layer.qkv.weight[i], layer.qkv.bias[i]) for i in range(3))
    expected = merge(attend(q, k, v), layer.proj.weight, layer.proj.bias)
    torch.testing.assert_close(run(layer, x), expected.detach())
