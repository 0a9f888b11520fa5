"""TinyViT in timm (``tiny_vit_5m_224``, ``_11m_224``, ``_21m_224`` and larger images)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.offset_attention import offset_attention
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    for site, spec in blueprint.items():
        yield site, _layer(timm, site, spec)


def _layer(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "stacked_stem":
        return _convs(timm, "patch_embed", {"convs.0": "conv1", "convs.1": "conv2"})
    if spec.kind == "map_classifier":
        head = {part: timm[f"head.fc.{part}"].unsqueeze(0) for part in ("weight", "bias")}
        return {**timm.modules({"norm": "head.norm"}), **head}
    stage = f"stages.{int(site[len('stage')]) - 1}"
    if spec.kind == "conv_merging":
        return _convs(timm, f"{stage}.downsample", {"expand": "conv1", "depthwise": "conv2", "mix": "conv3"})
    block = f"{stage}.blocks.{site.split('_')[1].removeprefix('block')}"
    if spec.kind == "postact_mbconv":
        return _convs(timm, block, {"expand": "conv1", "depthwise": "conv2", "reduce": "conv3"})
    if spec.kind == "offset_attention":
        return {**timm.modules({"norm": f"{block}.attn.norm"}), **offset_attention(timm, f"{block}.attn", spec)}
    if spec.kind == "depthwise_conv":
        return _convs(timm, block, {"body": "local_conv"})
    return timm.modules({"norm": f"{block}.mlp.norm", "expand": f"{block}.mlp.fc1", "reduce": f"{block}.mlp.fc2"})


def _convs(timm: TimmWeights, module: str, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Convolutions with their normalisation, below one of timm's modules."""
    convs = {f"{ours}.conv": f"{module}.{theirs}.conv" for ours, theirs in names.items()}
    return timm.modules(convs | {f"{ours}.norm": f"{module}.{theirs}.bn" for ours, theirs in names.items()})
