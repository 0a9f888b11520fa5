"""PVT v2 in timm (``pvt_v2_b0`` to ``pvt_v2_b5``, ``pvt_v2_b2_li``).

timm ends a stage with a norm; ours begins the next stage, or the head, with the same norm.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.staged import classifier, layer_by_layer, module_of
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


@layer_by_layer
def rules(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "map_stem":
        return timm.modules({"convs.0": "patch_embed.proj", "norm": "patch_embed.norm"})
    if spec.kind == "map_classifier":
        return classifier(timm, norm="stages.3.norm", linear="head")
    module = module_of(site)
    if spec.kind == "layernorm_downsampling":
        before = f"stages.{int(site[len('stage')]) - 2}"
        entry = {"conv": f"{module}.downsample.proj", "norm_after": f"{module}.downsample.norm"}
        return timm.modules({"norm_before": f"{before}.norm"} | entry)
    if spec.kind == "conv_feed_forward":
        parts = {"expand": "mlp.fc1", "depthwise": "mlp.dwconv", "reduce": "mlp.fc2", "norm": "norm2"}
        return timm.modules({ours: f"{module}.{theirs}" for ours, theirs in parts.items()})
    return _attention(timm, module, spec)


def _attention(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    heads, head_width, width = spec["heads"], spec["head_width"], spec.in_shape[0]
    names = {"norm": f"{block}.norm1"}
    if spec["reduction"] > 1 or spec.kind == "pooled_reduction_attention":
        names |= {"reduce": f"{block}.attn.sr", "reduced_norm": f"{block}.attn.norm"}
    found = timm.modules(names)
    for ours, roles in (("q", 1), ("kv", 2)):
        found[f"{ours}.weight"] = timm[f"{block}.attn.{ours}.weight"].reshape(roles, -1, head_width, width)
        found[f"{ours}.bias"] = timm[f"{block}.attn.{ours}.bias"].reshape(roles, -1, head_width)
    found["proj.weight"] = timm[f"{block}.attn.proj.weight"].reshape(-1, heads, head_width)
    found["proj.bias"] = timm[f"{block}.attn.proj.bias"]
    return found
