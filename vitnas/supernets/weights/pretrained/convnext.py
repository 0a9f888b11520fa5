"""ConvNeXt in timm (``convnext_tiny``, ``_small``, ``_base``, and the smaller ``_atto``, ``_pico``)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.staged import classifier, layer_by_layer, module_of
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


@layer_by_layer
def rules(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "map_stem":
        return timm.modules({"convs.0": "stem.0", "norm": "stem.1"})
    if spec.kind == "map_classifier":
        return classifier(timm, norm="head.norm", linear="head.fc")
    module = module_of(site)
    if spec.kind == "layernorm_downsampling":
        return timm.modules({"norm_before": f"{module}.downsample.0", "conv": f"{module}.downsample.1"})
    linears = timm.modules({"expand": f"{module}.mlp.fc1", "reduce": f"{module}.mlp.fc2"})
    return {
        **timm.modules({"depthwise": f"{module}.conv_dw", "norm": f"{module}.norm"}),
        # The smaller models of timm write their linear layers as convolutions of one place.
        **{part: tensor.flatten(1) if tensor.ndim > 1 else tensor for part, tensor in linears.items()},
        "scale": timm[f"{module}.gamma"],
    }
