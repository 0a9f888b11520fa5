"""TinyViT in timm (``tiny_vit_5m_224``, ``_11m_224``, ``_21m_224`` and larger images)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.offset_attention import offset_attention
from vitnas.supernets.weights.pretrained.staged import (
    classifier,
    feed_forward,
    layer_by_layer,
    module_of,
    normed_convolutions,
)
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


@layer_by_layer
def rules(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "stacked_stem":
        return normed_convolutions(timm, "patch_embed", {"convs.0": "conv1", "convs.1": "conv2"})
    if spec.kind == "map_classifier":
        return classifier(timm, norm="head.norm", linear="head.fc")
    module = module_of(site)
    if spec.kind == "conv_merging":
        return normed_convolutions(
            timm, f"{module}.downsample", {"expand": "conv1", "depthwise": "conv2", "mix": "conv3"}
        )
    if spec.kind == "postact_mbconv":
        return normed_convolutions(timm, module, {"expand": "conv1", "depthwise": "conv2", "reduce": "conv3"})
    if spec.kind == "offset_attention":
        return {**timm.modules({"norm": f"{module}.attn.norm"}), **offset_attention(timm, f"{module}.attn", spec)}
    if spec.kind == "depthwise_conv":
        return normed_convolutions(timm, module, {"body": "local_conv"})
    return feed_forward(timm, module, norm="mlp.norm")
