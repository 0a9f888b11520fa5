"""The lookup block step by step, and that the number of compressed tokens changes no weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.supernets.mixers.reference import attend, image, lively, merge, normed, project, run


def ln(x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], norm.weight, norm.bias, norm.eps)


def test_few_tokens_read_think_and_tell() -> None:
    layer = lively("lookup", heads=2, head_width=3, height=4, breadth=4, grid=2, hidden=12)
    with torch.no_grad():
        x = image(layer)
        y = normed(layer, x)
        z = y.reshape(2, 2, 2, 2, 2, 8).mean(dim=(2, 4))
        q = project(ln(z, layer.read_norm), layer.read_q.weight[0], layer.read_q.bias[0])
        k, v = (project(y, layer.read_kv.weight[i], layer.read_kv.bias[i]) for i in range(2))
        z = z + merge(attend(q, k, v), layer.read_proj.weight, layer.read_proj.bias)
        normal = ln(z, layer.think_norm)
        qkv = [project(normal, layer.think_qkv.weight[i], layer.think_qkv.bias[i]) for i in range(3)]
        z = z + merge(attend(*qkv), layer.think_proj.weight, layer.think_proj.bias)
        hidden = F.gelu(ln(z, layer.ffn_norm) @ layer.expand.weight.T + layer.expand.bias)
        z = z + hidden @ layer.reduce.weight.T + layer.reduce.bias
        told = project(ln(z, layer.tell_norm), layer.tell_v.weight[0], layer.tell_v.bias[0])
        # Back over the same scores: keys ask, queries answer.
        expected = merge(attend(k, q, told), layer.tell_proj.weight, layer.tell_proj.bias)
        torch.testing.assert_close(run(layer, x), expected)


def test_the_number_of_compressed_tokens_changes_no_weight() -> None:
    few, many = (lively("lookup", heads=2, head_width=3, height=4, breadth=4, grid=g, hidden=12) for g in (1, 2))
    few.load_state_dict(many.state_dict(), strict=True)
