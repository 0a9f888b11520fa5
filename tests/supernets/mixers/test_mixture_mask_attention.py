"""Gaussian-mixture mask attention against its formula, far pairs included."""

from __future__ import annotations

import torch

from tests.supernets.mixers.reference import BREADTH, HEIGHT, image, lively, merge, normed, project, run


def test_scores_are_scaled_by_a_mixture_of_bells() -> None:
    layer = lively("mixture_mask_attention", heads=2, head_width=3, bells=3)
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x).flatten(1, 2)
        q, k, v = (project(y, layer.qkv.weight[i], layer.qkv.bias[i]) for i in range(3))
        mask = torch.zeros(HEIGHT * BREADTH, HEIGHT * BREADTH, dtype=torch.double)
        for i in range(len(mask)):
            for j in range(len(mask)):
                squared = (i // BREADTH - j // BREADTH) ** 2 + (i % BREADTH - j % BREADTH) ** 2
                for height, breadth in zip(layer.height.flatten(), layer.breadth.flatten(), strict=True):
                    mask[i, j] += height * torch.exp(-squared / (2 * (breadth**2 + 1e-5)))
        scores = torch.einsum("btne,bsne->bnts", q, k) / 3**0.5
        found = torch.einsum("bnts,bsne->btne", (scores * mask).softmax(dim=-1), v)
        expected = merge(found, layer.proj.weight, layer.proj.bias).reshape(2, HEIGHT, BREADTH, 8)
        torch.testing.assert_close(run(layer, x), expected)


def test_a_broad_bell_reaches_across_the_map_in_single_precision() -> None:
    layer = lively("mixture_mask_attention", height=14, breadth=14, heads=2, head_width=3, bells=1).float()
    with torch.no_grad():
        layer.breadth.fill_(20)
        layer.height.fill_(1)
    assert layer.mask()[0, -1] > 0.5
