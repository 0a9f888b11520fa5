"""EfficientFormerV2 in timm (``efficientformerv2_s0``, ``_s1``, ``_s2``, ``_l``)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.efficientformer import classifier
from vitnas.supernets.weights.pretrained.offset_attention import square
from vitnas.supernets.weights.pretrained.staged import layer_by_layer, module_of, normed_convolutions
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


@layer_by_layer
def rules(timm: TimmWeights, site: str, spec: LayerSpec) -> Mapping[str, Tensor]:
    if spec.kind == "stacked_stem":
        return normed_convolutions(timm, "stem", {"convs.0": "conv1", "convs.1": "conv2"})
    if spec.kind == "map_classifier":
        return classifier(timm, spec)
    module = module_of(site)
    if spec.kind == "downsample_conv":
        return normed_convolutions(timm, f"{module}.downsample", {"body": "conv"})
    if spec.kind == "attention_downsampling":
        parts = {"query": "q.proj", "key": "k", "value": "v", "local": "v_local", "proj": "proj"}
        down = f"{module}.downsample"
        return {
            **normed_convolutions(timm, down, {"conv": "conv"}),
            **normed_convolutions(timm, f"{down}.attn", parts),
            **timm.modules({"near": f"{down}.attn.q.local"}),
            "offset_bias": square(timm[f"{down}.attn.attention_biases"]),
        }
    if spec.kind == "talking_attention":
        parts = {"query": "q", "key": "k", "value": "v", "local": "v_local", "proj": "proj"}
        if spec["stride"] > 1:
            parts["shrink"] = "stride_conv"
        mixer = f"{module}.token_mixer"
        return {
            **normed_convolutions(timm, mixer, parts),
            **timm.modules({"talk_before": f"{mixer}.talking_head1", "talk_after": f"{mixer}.talking_head2"}),
            "offset_bias": square(timm[f"{mixer}.attention_biases"]),
            "scale": timm[f"{module}.ls1.gamma"].reshape(-1, 1, 1),
        }
    found = normed_convolutions(timm, f"{module}.mlp", {"expand": "fc1", "depthwise": "mid", "reduce": "fc2"})
    return {**found, "scale": timm[f"{module}.ls2.gamma"].reshape(-1, 1, 1)}
