"""Small networks with weights, for the tests of precision."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from tests.contracts.layer_examples import KINDS, examples_of
from tests.deployment.exporters.small_network import with_statistics
from vitnas.search_spaces import Arch, SearchSpace, load_space
from vitnas.supernets.layers import build
from vitnas.supernets.supernet import Supernet

QUICK = ("attention", "conv_feed_forward", "feed_forward", "map_attention", "mbconv", "residual_map", "slim_attention")
EACH_KIND = [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.slow) for kind in KINDS]
"""All kinds of layers, most of them in the slow tier."""

SPACE: SearchSpace = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3,), mlp_ratio=(2.0, 3.0))


def arch() -> Arch:
    return SPACE.smallest()


def network() -> nn.Sequential:
    """With norms whose channels differ in size, as trained ones do."""
    found = Supernet(SPACE, seed=1).extract(arch()).eval()
    draws = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in found.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.mul_(torch.exp(torch.randn(module.weight.shape, generator=draws)))
                module.bias.add_(0.3 * torch.randn(module.bias.shape, generator=draws))
    return found


def images(num: int = 16, seed: int = 0) -> Tensor:
    return torch.randn(num, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def alone(kind: str) -> tuple[nn.Sequential, Tensor]:
    """A network of one layer of this kind, and what it takes."""
    torch.manual_seed(0)
    spec = examples_of(kind)[0].largest
    layer = build(spec).eval()
    with_statistics(layer)
    with torch.no_grad():
        for weight in (p for p in layer.parameters() if p.ndim > 1 and not p.any()):
            weight.normal_(std=0.1)  # some begin as nothing
    return nn.Sequential(OrderedDict(layer=layer)).eval(), torch.randn(4, *spec.in_shape)
