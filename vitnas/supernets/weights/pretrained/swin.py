"""Swin in timm (``swin_tiny_patch4_window7_224``, ``swin_small_...``, ``swin_base_...``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.offset_attention import square
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    for site, spec in blueprint.items():
        yield site, _layer(timm, site, spec)


def _layer(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "map_stem":
        return timm.modules({"convs.0": "patch_embed.proj", "norm": "patch_embed.norm"})
    if spec.kind == "map_classifier":
        head = {part: timm[f"head.fc.{part}"].unsqueeze(0) for part in ("weight", "bias")}
        return {**timm.modules({"norm": "norm"}), **head}
    stage, _, rest = site.removeprefix("stage").partition("_")
    name = f"layers.{int(stage) - 1}"
    if spec.kind == "patch_merging":
        narrow = spec.in_shape[0]
        return {
            "norm_weight": timm[f"{name}.downsample.norm.weight"].reshape(4, -1),
            "norm_bias": timm[f"{name}.downsample.norm.bias"].reshape(4, -1),
            "weight": timm[f"{name}.downsample.reduction.weight"].reshape(-1, 4, narrow),
        }
    block = f"{name}.blocks.{rest.partition('_')[0].removeprefix('block')}"
    if spec.kind == "window_attention":
        return _attention(timm, block, spec)
    return timm.modules({"norm": f"{block}.norm2", "expand": f"{block}.mlp.fc1", "reduce": f"{block}.mlp.fc2"})


def _attention(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    heads, head_width, width = spec["heads"], spec["head_width"], spec.in_shape[0]
    return {
        **timm.modules({"norm": f"{block}.norm1"}),
        "qkv.weight": timm[f"{block}.attn.qkv.weight"].reshape(3, -1, head_width, width),
        "qkv.bias": timm[f"{block}.attn.qkv.bias"].reshape(3, -1, head_width),
        "proj.weight": timm[f"{block}.attn.proj.weight"].reshape(-1, heads, head_width),
        "proj.bias": timm[f"{block}.attn.proj.bias"],
        "offset_bias": square(timm[f"{block}.attn.relative_position_bias_table"].T),
    }
