"""Layer kinds, one file each, and how to build one from its spec."""

from __future__ import annotations

from functools import lru_cache

import torch

from vitnas.registry import Registry
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.layer import Layer

LAYERS: Registry[type[Layer]] = Registry(
    "layer kind",
    "vitnas.layers",
    {
        "attention": "vitnas.supernets.layers.attention:Attention",
        "classifier": "vitnas.supernets.layers.classifier:Classifier",
        "feed_forward": "vitnas.supernets.layers.feed_forward:FeedForward",
        "patch_embedding": "vitnas.supernets.layers.patch_embedding:PatchEmbedding",
    },
)


def build(spec: LayerSpec) -> Layer:
    """The layer of this spec with freshly initialised weights."""
    return LAYERS.load(spec.kind)(spec)


@lru_cache(maxsize=100_000)
def outline(spec: LayerSpec) -> Layer:
    """The layer of this spec on the meta device: its structure and shapes without any weights."""
    with torch.device("meta"):
        return build(spec)


__all__ = ["LAYERS", "Layer", "build", "outline"]
