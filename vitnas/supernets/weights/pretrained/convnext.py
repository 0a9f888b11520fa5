"""ConvNeXt in timm (``convnext_tiny``, ``_small``, ``_base``, and the smaller ``_atto``, ``_pico``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    for site, spec in blueprint.items():
        yield site, _layer(timm, site, spec)


def _layer(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "map_stem":
        return timm.modules({"convs.0": "stem.0", "norm": "stem.1"})
    if spec.kind == "map_classifier":
        head = {part: timm[f"head.fc.{part}"].unsqueeze(0) for part in ("weight", "bias")}
        return {**timm.modules({"norm": "head.norm"}), **head}
    stage, _, rest = site.removeprefix("stage").partition("_")
    name = f"stages.{int(stage) - 1}"
    if spec.kind == "layernorm_downsampling":
        return timm.modules({"norm_before": f"{name}.downsample.0", "conv": f"{name}.downsample.1"})
    block = f"{name}.blocks.{rest.removeprefix('block')}"
    linears = timm.modules({"expand": f"{block}.mlp.fc1", "reduce": f"{block}.mlp.fc2"})
    return {
        **timm.modules({"depthwise": f"{block}.conv_dw", "norm": f"{block}.norm"}),
        # The smaller models of timm write their linear layers as convolutions of one place.
        **{part: tensor.flatten(1) if tensor.ndim > 1 else tensor for part, tensor in linears.items()},
        "scale": timm[f"{block}.gamma"],
    }
