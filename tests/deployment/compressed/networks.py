"""A small transformer and a small hybrid whose bridge attends inside a convolutional network, some layers not in float."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from tests.deployment.exporters.small_network import pictures, with_statistics
from vitnas.deployment.compressed.network import Reference, reference
from vitnas.deployment.folding import fold
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.supernet import build_network

LAYERS = {
    "transformer": {
        "stem": LayerSpec.of("patch_embedding", (3, 16, 16), (17, 40), patch=4),
        "attention": LayerSpec.of("attention", (17, 40), (17, 40), heads=2, head_width=16, reach=2),
        "ffn": LayerSpec.of("feed_forward", (17, 40), (17, 40), hidden=64),
        "ffn2": LayerSpec.of("feed_forward", (17, 40), (17, 40), hidden=64),
        "head": LayerSpec.of("classifier", (17, 40), (5,), pool="mean"),
    },
    "residual": {
        "stem": LayerSpec.of("conv_stem", (3, 16, 16), (16, 8, 8), kernel=3, stride=2, act="relu"),
        "first": LayerSpec.of("meta_feed_forward", (16, 8, 8), (16, 8, 8), hidden=32, depthwise=True),
        "second": LayerSpec.of("meta_feed_forward", (16, 8, 8), (16, 8, 8), hidden=32, depthwise=True),
        "head": LayerSpec.of("map_classifier", (16, 8, 8), (5,), norm="batch", pool_first=False, distilled=False),
    },
    "hybrid": {
        "stem": LayerSpec.of("conv_stem", (3, 16, 16), (96, 8, 8), kernel=3, stride=2, act="relu"),
        "bridge": LayerSpec.of("next_transformer_block", (96, 8, 8), (128, 8, 8), hidden=64, reduction=2),
        "local": LayerSpec.of("depthwise_conv", (128, 8, 8), (128, 8, 8), kernel=3),
        "head": LayerSpec.of("map_classifier", (128, 8, 8), (5,), norm="batch", pool_first=False, distilled=False),
    },
}


def blueprint(name: str, **precisions: str) -> Blueprint:
    layers = LAYERS[name]
    return Blueprint(tuple(layers), tuple(spec.at(precisions.get(site, "float")) for site, spec in layers.items()))


@cache
def folded(name: str) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = build_network(blueprint(name)).eval()
        with_statistics(network)
        for weight in network.parameters():
            if weight.ndim > 1:
                nn.init.normal_(weight, std=0.3 if name == "residual" else 0.1)
    return fold(network, pictures(2))


@cache
def images() -> Tensor:
    return pictures(32, seed=7)


@cache
def at(name: str, *precisions: tuple[str, str]) -> Reference:
    """The reference of a network at precisions, level L0."""
    found = reference(folded(name), blueprint(name, **dict(precisions)), images(), "L0")
    assert found is not None
    return found
