"""DeiT and plain ViT in timm (``deit_tiny_patch16_224``, ``vit_small_patch16_224``, ...)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.staged import feed_forward
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    for site, spec in blueprint.items():
        block = f"blocks.{site.partition('_')[0].removeprefix('block')}"
        if spec.kind == "patch_embedding":
            yield site, _stem(timm, spec)
        elif spec.kind == "attention":
            yield site, _attention(timm, block, spec)
        elif spec.kind == "feed_forward":
            yield site, feed_forward(timm, block)
        else:
            yield site, timm.modules({"norm": "norm", "linear": "head"})


def _stem(timm: TimmWeights, spec: LayerSpec) -> dict[str, Tensor]:
    position = timm["pos_embed"][0]
    side = spec.in_shape[1] // spec["patch"]
    if len(position) != side * side + 1:
        side = round((len(position) - 1) ** 0.5)  # of another image size; the comparison of shapes will say so
    return {
        **timm.modules({"projection": "patch_embed.proj"}),
        "class_token": timm["cls_token"].flatten(),
        "class_position": position[0],
        "position": position[1:].reshape(side, side, -1),
    }


def _attention(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    heads, head_width, width = spec["heads"], spec["head_width"], spec.in_shape[-1]
    return {
        **timm.modules({"norm": f"{block}.norm1"}),
        "qkv_weight": timm[f"{block}.attn.qkv.weight"].reshape(3, heads, head_width, width),
        "qkv_bias": timm[f"{block}.attn.qkv.bias"].reshape(3, heads, head_width),
        "proj_weight": timm[f"{block}.attn.proj.weight"].reshape(width, heads, head_width),
        "proj_bias": timm[f"{block}.attn.proj.bias"],
    }
