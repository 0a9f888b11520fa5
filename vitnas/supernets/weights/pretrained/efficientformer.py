"""EfficientFormer in timm (``efficientformer_l1``, ``_l3``, ``_l7``)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.offset_attention import offset_attention
from vitnas.supernets.weights.pretrained.staged import feed_forward, layer_by_layer, module_of
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


@layer_by_layer
def rules(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "stacked_stem":
        convs = ((f"convs.{i}.{part}", f"stem.{part}{i + 1}") for i in range(2) for part in ("conv", "norm"))
        return timm.modules(dict(convs))
    if spec.kind == "map_classifier":
        return classifier(timm, spec)
    module = module_of(site)
    if spec.kind == "downsample_conv":
        return timm.modules({"body": f"{module}.downsample"})
    if spec.kind == "pool_mixing":
        return {"scale": timm[f"{module}.ls1.gamma"].reshape(-1, 1, 1)}
    if spec.kind == "meta_feed_forward":
        parts = {"expand.conv": "fc1", "expand.norm": "norm1", "reduce.conv": "fc2", "reduce.norm": "norm2"}
        scale = timm[f"{module}.ls2.gamma"].reshape(-1, 1, 1)
        return {**timm.modules({ours: f"{module}.mlp.{theirs}" for ours, theirs in parts.items()}), "scale": scale}
    block = module_of(site, more=1)  # timm counts the flattening before the first attention as a block
    if spec.kind == "offset_attention":
        found = timm.modules({"norm": f"{block}.norm1"})
        return {**found, **offset_attention(timm, f"{block}.token_mixer", spec), "scale": timm[f"{block}.ls1.gamma"]}
    return {**feed_forward(timm, block), "scale": timm[f"{block}.ls2.gamma"]}


def classifier(timm: TimmWeights, spec: LayerSpec) -> dict[str, Tensor]:
    """Both heads, or one that is their mean and so answers the same."""
    found = timm.modules({"norm": "norm"})
    for part in ("weight", "bias"):
        heads = torch.stack([timm[f"{name}.{part}"] for name in ("head", "head_dist") if f"{name}.{part}" in timm])
        found[part] = heads if spec["distilled"] else heads.mean(dim=0, keepdim=True)
    return found
