"""EfficientFormerV2 in timm (``efficientformerv2_s0``, ``_s1``, ``_s2``, ``_l``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.efficientformer import classifier
from vitnas.supernets.weights.pretrained.offset_attention import square
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    for site, spec in blueprint.items():
        yield site, _layer(timm, site, spec)


def _layer(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "stacked_stem":
        return _convs(timm, "stem", {"convs.0": "conv1", "convs.1": "conv2"})
    if spec.kind == "map_classifier":
        return classifier(timm, spec)
    stage = f"stages.{int(site[len('stage')]) - 1}"
    if spec.kind == "downsample_conv":
        return _convs(timm, f"{stage}.downsample", {"body": "conv"})
    if spec.kind == "attention_downsampling":
        parts = {"query": "q.proj", "key": "k", "value": "v", "local": "v_local", "proj": "proj"}
        down = f"{stage}.downsample"
        return {
            **_convs(timm, down, {"conv": "conv"}),
            **_convs(timm, f"{down}.attn", parts),
            **timm.modules({"near": f"{down}.attn.q.local"}),
            "offset_bias": square(timm[f"{down}.attn.attention_biases"]),
        }
    block = f"{stage}.blocks.{site.split('_')[1].removeprefix('block')}"
    if spec.kind == "talking_attention":
        parts = {"query": "q", "key": "k", "value": "v", "local": "v_local", "proj": "proj"}
        if spec["stride"] > 1:
            parts["shrink"] = "stride_conv"
        mixer = f"{block}.token_mixer"
        return {
            **_convs(timm, mixer, parts),
            **timm.modules({"talk_before": f"{mixer}.talking_head1", "talk_after": f"{mixer}.talking_head2"}),
            "offset_bias": square(timm[f"{mixer}.attention_biases"]),
            "scale": timm[f"{block}.ls1.gamma"].reshape(-1, 1, 1),
        }
    found = _convs(timm, f"{block}.mlp", {"expand": "fc1", "depthwise": "mid", "reduce": "fc2"})
    return {**found, "scale": timm[f"{block}.ls2.gamma"].reshape(-1, 1, 1)}


def _convs(timm: TimmWeights, module: str, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Convolutions with their normalisation, below one of timm's modules."""
    convs = {f"{ours}.conv": f"{module}.{theirs}.conv" for ours, theirs in names.items()}
    return timm.modules(convs | {f"{ours}.norm": f"{module}.{theirs}.bn" for ours, theirs in names.items()})
