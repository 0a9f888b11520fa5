"""Families of pretrained networks: for each space the file of rules that reads timm's names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from torch import Tensor

from vitnas.errors import CheckpointError
from vitnas.registry import Registry
from vitnas.search_spaces import Blueprint, LayerSpec, SearchSpace
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights

Rules = Callable[[Blueprint, TimmWeights], Iterator[tuple[str, Mapping[str, Tensor]]]]
"""For every site of a network, what its layer's state dict should hold."""

FAMILIES: Registry[Rules] = Registry(
    "space with timm weights",
    "vitnas.pretrained",
    {
        "convnext": "vitnas.supernets.weights.pretrained.convnext:rules",
        "deit": "vitnas.supernets.weights.pretrained.deit:rules",
        "efficientformer": "vitnas.supernets.weights.pretrained.efficientformer:rules",
        "efficientformerv2": "vitnas.supernets.weights.pretrained.efficientformerv2:rules",
        "low-rank-vit": "vitnas.supernets.weights.pretrained.deit:rules",
        "matformer-base": "vitnas.supernets.weights.pretrained.deit:rules",
        "matformer-small": "vitnas.supernets.weights.pretrained.deit:rules",
        "matformer-tiny": "vitnas.supernets.weights.pretrained.deit:rules",
        "nextvit": "vitnas.supernets.weights.pretrained.nextvit:rules",
        "pvtv2": "vitnas.supernets.weights.pretrained.pvt:rules",
        "staged-vit": "vitnas.supernets.weights.pretrained.deit:rules",
        "swin": "vitnas.supernets.weights.pretrained.swin:rules",
        "tinyvit": "vitnas.supernets.weights.pretrained.tinyvit:rules",
    },
)

PLAIN = {
    "patch_embedding",
    "flexible_patch_embedding",
    "attention",
    "windowed_attention",
    "slim_attention",
    "rotary_attention",
    "feed_forward",
    "reducing_attention",
    "window_merging",
    "low_rank_attention",
    "low_rank_feed_forward",
    "classifier",
    "attention_classifier",
}
"""The layers of a plain vision transformer, whose rules suit every space made of them alone."""


def rules_for(space: SearchSpace) -> Rules:
    """The rules of a space's family; a plain ViT of one's own is read like DeiT."""
    return rules_of_family(space.name, space.lowering.specs)


def rules_of_family(name: str, specs: Iterable[LayerSpec]) -> Rules:
    """The rules of a family of networks, or those of plain ViTs where all layers are of one."""
    if name in FAMILIES:
        return FAMILIES.load(name)
    if {spec.kind for spec in specs} <= PLAIN:
        return FAMILIES.load("deit")
    raise CheckpointError(
        f"space '{name}' has no rules that read weights of timm; have {', '.join(FAMILIES)} and plain ViTs"
    )
