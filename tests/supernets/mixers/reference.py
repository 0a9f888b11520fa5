"""What the numeric tests of mixers share: a layer with random weights, and attention written as a loop."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import Layer, build

HEIGHT, BREADTH = 4, 6
"""Not square, so that height and breadth cannot be mistaken for one another."""


def lively(kind: str, width: int = 8, height: int = HEIGHT, breadth: int = BREADTH, **attrs: int | str | bool) -> Layer:
    """A layer in double precision whose weights and statistics are all random, in evaluation mode."""
    shape = (width, height, breadth)
    torch.manual_seed(0)
    layer = build(LayerSpec.of(kind, shape, shape, **attrs)).double().eval()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(0.1 + 0.4 * torch.randn_like(parameter))
        for name, buffer in layer.named_buffers():
            if "running" in name:
                buffer.copy_(0.5 + torch.rand_like(buffer))
    return layer


def image(layer: Layer, batch: int = 2) -> Tensor:
    return torch.randn(batch, *layer.spec.in_shape, dtype=torch.double)


def run(layer: Layer, x_BDHW: Tensor) -> Tensor:
    """What the layer adds to the map, as (B, H, W, D)."""
    with torch.no_grad():
        return (layer(x_BDHW) - x_BDHW).permute(0, 2, 3, 1)


def normed(layer: Layer, x_BDHW: Tensor) -> Tensor:
    """(B, H, W, D): what mixing starts from."""
    norm = layer.norm
    return F.layer_norm(x_BDHW.permute(0, 2, 3, 1), norm.normalized_shape, norm.weight, norm.bias, norm.eps).detach()


def project(x: Tensor, weight_NED: Tensor, bias_NE: Tensor) -> Tensor:
    """(..., D) -> (..., N, E)."""
    return torch.einsum("...d,ned->...ne", x, weight_NED) + bias_NE


def merge(y: Tensor, weight_DNE: Tensor, bias_D: Tensor) -> Tensor:
    """(..., N, E) -> (..., D)."""
    return torch.einsum("...ne,dne->...d", y, weight_DNE) + bias_D


Place = tuple[int, int]


def attend(
    q_BHWNE: Tensor,
    k_BYXNE: Tensor,
    v_BYXNE: Tensor,
    sees: Callable[[Place, Place], bool] = lambda query, key: True,
    bias: Callable[[Place, Place], Tensor | float] = lambda query, key: 0.0,
) -> Tensor:
    """Softmax attention, one query at a time, over the keys that it sees; bias gives one number a head."""
    batch, height, breadth, heads, head_width = q_BHWNE.shape
    keys = [(y, x) for y in range(k_BYXNE.shape[1]) for x in range(k_BYXNE.shape[2])]
    result = torch.zeros(batch, height, breadth, heads, v_BYXNE.shape[-1], dtype=torch.double)
    for query in ((y, x) for y in range(height) for x in range(breadth)):
        seen = [key for key in keys if sees(query, key)]
        q = q_BHWNE[:, query[0], query[1]]
        scores = torch.stack([(q * k_BYXNE[:, y, x]).sum(-1) / head_width**0.5 + bias(query, (y, x)) for y, x in seen])
        share = scores.softmax(dim=0)
        result[:, query[0], query[1]] = sum(share[i, :, :, None] * v_BYXNE[:, y, x] for i, (y, x) in enumerate(seen))
    return result
