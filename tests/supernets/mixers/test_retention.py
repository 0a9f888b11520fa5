"""Retention: the parallel form against the recurrent and the chunked one, and the two-sided decay."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.supernets.mixers.reference import BREADTH, HEIGHT, image, lively, merge, normed, project, run

HEADS, HEAD_WIDTH = 3, 4
KEEP = 1 - 2.0 ** -(5 + torch.arange(HEADS, dtype=torch.double))


def parts(layer: torch.nn.Module, x: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys, values, gates, each (B, T, N, E)."""
    y = normed(layer, x).flatten(1, 2)
    q, k, v = (project(y, layer.qkv.weight[i], layer.qkv.bias[i]) for i in range(3))
    return q / HEAD_WIDTH**0.5, k, v, project(y, layer.gate.weight[0], layer.gate.bias[0])


def finish(layer: torch.nn.Module, kept: Tensor, gate: Tensor) -> Tensor:
    spread = kept.var(dim=-1, unbiased=False, keepdim=True)
    normal = (kept - kept.mean(dim=-1, keepdim=True)) / (spread + 1e-5).sqrt()
    merged = merge(gate * gate.sigmoid() * normal, layer.proj.weight, layer.proj.bias)
    return merged.reshape(-1, HEIGHT, BREADTH, 8).detach()


def test_the_recurrent_form_answers_the_same() -> None:
    layer = lively("retention", heads=HEADS, head_width=HEAD_WIDTH, causal=True)
    x = image(layer)
    q, k, v, gate = parts(layer, x)
    state = torch.zeros(2, HEADS, HEAD_WIDTH, HEAD_WIDTH, dtype=torch.double)
    found = []
    for t in range(q.shape[1]):
        state = KEEP[:, None, None] * state + k[:, t, :, :, None] * v[:, t, :, None]
        found.append((q[:, t, :, None] @ state)[:, :, 0])
    # The layer keeps its decays in single precision.
    torch.testing.assert_close(run(layer, x), finish(layer, torch.stack(found, dim=1), gate), rtol=1e-5, atol=1e-5)


def test_the_chunked_form_answers_the_same() -> None:
    layer = lively("retention", heads=HEADS, head_width=HEAD_WIDTH, causal=True)
    x = image(layer)
    q, k, v, gate = parts(layer, x)
    chunk = 8
    step = torch.arange(chunk, dtype=torch.double)
    keep = KEEP[:, None]
    apart = step[:, None] - step[None]
    inside = torch.where(apart >= 0, KEEP[:, None, None] ** apart, 0.0)
    state = torch.zeros(2, HEADS, HEAD_WIDTH, HEAD_WIDTH, dtype=torch.double)
    found = []
    for t in range(0, q.shape[1], chunk):
        q_c, k_c, v_c = (part[:, t : t + chunk].transpose(1, 2) for part in (q, k, v))
        here = (q_c @ k_c.transpose(-2, -1) * inside) @ v_c
        found.append(here + (q_c @ state) * (keep ** (step + 1))[:, :, None])
        state = (KEEP**chunk)[:, None, None] * state + (k_c * (keep ** (chunk - 1 - step))[:, :, None]).mT @ v_c
    together = torch.cat(found, dim=2).transpose(1, 2)
    torch.testing.assert_close(run(layer, x), finish(layer, together, gate), rtol=1e-5, atol=1e-5)


def test_a_two_sided_decay_is_a_product_of_rows_and_columns() -> None:
    layer = lively("retention", heads=HEADS, head_width=HEAD_WIDTH, causal=False)
    for head in range(HEADS):
        lines = [np.abs(np.subtract.outer(np.arange(size), np.arange(size))) for size in (HEIGHT, BREADTH)]
        rows, columns = (float(KEEP[head]) ** line for line in lines)
        np.testing.assert_allclose(layer.decay[head].numpy(), np.kron(rows, columns), rtol=1e-6)


def test_a_two_sided_layer_mirrors_with_its_image() -> None:
    layer = lively("retention", heads=HEADS, head_width=HEAD_WIDTH, causal=False)
    x = image(layer)
    torch.testing.assert_close(run(layer, x.flip(3)), run(layer, x).flip(2))


def test_all_heads_decay_as_their_position_says() -> None:
    """Fewer heads are the first: those of the shortest memory."""
    few, many = (lively("retention", heads=heads, head_width=4, causal=True) for heads in (2, 3))
    assert torch.equal(few.decay, many.decay[:2])
    assert F.l1_loss(few.decay[0], few.decay[1]) > 0
