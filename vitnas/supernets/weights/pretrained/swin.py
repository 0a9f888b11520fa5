"""Swin in timm (``swin_tiny_patch4_window7_224``, ``swin_small_...``, ``swin_base_...``)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.offset_attention import square
from vitnas.supernets.weights.pretrained.staged import classifier, feed_forward, layer_by_layer, module_of
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


@layer_by_layer
def rules(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "map_stem":
        return timm.modules({"convs.0": "patch_embed.proj", "norm": "patch_embed.norm"})
    if spec.kind == "map_classifier":
        return classifier(timm, norm="norm", linear="head.fc")
    module = module_of(site, "layers")
    if spec.kind == "patch_merging":
        narrow = spec.in_shape[0]
        return {
            "norm_weight": timm[f"{module}.downsample.norm.weight"].reshape(4, -1),
            "norm_bias": timm[f"{module}.downsample.norm.bias"].reshape(4, -1),
            "weight": timm[f"{module}.downsample.reduction.weight"].reshape(-1, 4, narrow),
        }
    if spec.kind == "window_attention":
        return _attention(timm, module, spec)
    return feed_forward(timm, module)


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
