"""A network of four layers, small enough that every format can be tested, and images for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from vitnas.deployment.exporters import Facts
from vitnas.deployment.folding import fold
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.supernet import build_network

LABELS = tuple(f"class {i}" for i in range(5))
FACTS = Facts("by-hand", "0123", "noise", (0.4, 0.5, 0.6), (0.25, 0.2, 0.3), 5, LABELS)
BLUEPRINT = Blueprint(
    ("stem", "local", "tokens", "mixer", "head"),
    (
        LayerSpec.of("conv_stem", (3, 16, 16), (16, 8, 8), kernel=3, stride=2, act="relu"),
        LayerSpec.of("depthwise_conv", (16, 8, 8), (16, 8, 8), kernel=3),
        LayerSpec.of("patch_embedding", (16, 8, 8), (17, 32), patch=2),
        LayerSpec.of("attention", (17, 32), (17, 32), heads=2, head_width=16, reach=2),
        LayerSpec.of("classifier", (17, 32), (5,), pool="mean"),
    ),
)


def small_network(seed: int = 0) -> nn.Sequential:
    """Its norms have statistics as after a training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(BLUEPRINT).eval()
        with_statistics(network)
    return network


def with_statistics(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor, low, high in ((module.running_mean, -0.5, 0.5), (module.running_var, 0.5, 2.0)):
                assert tensor is not None
                tensor.uniform_(low, high)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)


def pictures(n: int, seed: int = 0) -> torch.Tensor:
    """Normalised images whose pixels were whole numbers."""
    pixels = np.random.default_rng(seed).integers(0, 256, (n, *BLUEPRINT.in_shape)) / 255
    mean, std = (np.array(values)[:, None, None] for values in (FACTS.mean, FACTS.std))
    return torch.from_numpy(((pixels - mean) / std).astype(np.float32))


def folded(seed: int = 0) -> nn.Sequential:
    return fold(small_network(seed), pictures(2))
