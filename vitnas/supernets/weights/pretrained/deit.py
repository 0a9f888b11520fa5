"""Plain vision transformers in timm: ViT, DeiT, DeiT-III, DINOv2, DINOv3, CLIP and SigLIP (``deit_tiny_patch16_224``, ...).

Biases that a family has not are zero here, and a scale of a layer (DeiT-III, DINOv2) is part of the product before it, which
is the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from vitnas.errors import CheckpointError
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.weights.pretrained.low_rank import at_full_rank
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    numbers: dict[str, int] = {}
    for site, spec in blueprint.items():
        block = site.rpartition("_")[0]
        number = block.removeprefix("block")
        if block and not number.isdigit():  # blocks of stages are counted
            number = str(numbers.setdefault(block, len(numbers)))
        yield site, KINDS.get(spec.kind, _classifier)(timm, f"blocks.{number}", spec)


def _stem(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    given: dict[str, Any] = dict(spec.attrs)
    registers, has_class = given.get("registers", 0), given.get("class_token", True)
    found = timm.modules({"projection": "patch_embed.proj"})
    width = len(found["projection.weight"])
    found.setdefault("projection.bias", found["projection.weight"].new_zeros(width))
    if has_class:
        found["class_token"] = timm["cls_token"].flatten()
    if registers:
        found["registers"] = timm["reg_token"][0]
    if given.get("norm", "none") != "none":
        found |= timm.modules({"norm": "norm_pre"})
    return found | _positions(timm, spec, found, registers, has_class) if given.get("positions", True) else found


def _positions(
    timm: TimmWeights, spec: LayerSpec, found: Mapping[str, Tensor], registers: int, has_class: bool
) -> dict[str, Tensor]:
    """Those of the patches and the class token; those of registers, which have none here, become part of them."""
    position = timm["pos_embed"][0]
    patches = len(position) - registers - has_class
    side = spec.in_shape[1] // dict(spec.attrs).get("kernel", spec["patch"])
    if len(position) != side * side and round(max(patches, 0) ** 0.5) ** 2 == patches:
        leading, position = position[: registers + has_class], position[registers + has_class :]
    else:  # only patches have positions
        leading = position.new_zeros(registers + has_class, position.shape[1])
    side = round(len(position) ** 0.5)  # of another image size, the comparison of shapes will say so
    own = {"position": position.reshape(side, side, -1)}
    if has_class:
        own["class_position"] = leading[0]
    if registers:
        own["registers"] = found["registers"] + leading[has_class:]
    return own


def _attention(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    heads, head_width, width = spec["heads"], spec["head_width"], spec.in_shape[-1]
    norm = timm.modules({"norm": f"{block}.norm1"})
    weight, bias = _with_bias(timm, f"{block}.attn.qkv")
    if f"{block}.attn.q_bias" in timm:  # DINOv3 knows no bias of keys
        query, value = timm[f"{block}.attn.q_bias"], timm[f"{block}.attn.v_bias"]
        bias = torch.cat([query, torch.zeros_like(query), value])
    proj_weight, proj_bias = _scaled(timm, f"{block}.attn.proj", f"{block}.ls1.gamma", f"{block}.gamma_1")
    return {
        **norm,
        "qkv_weight": weight.reshape(3, heads, head_width, width),
        "qkv_bias": bias.reshape(3, heads, head_width),
        "proj_weight": proj_weight.reshape(width, heads, head_width),
        "proj_bias": proj_bias,
    }


def _slim_attention(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    return slimmed(_attention(timm, block, spec))


def slimmed(attention: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of an `attention` as those of the `slim_attention` that answers the same."""
    own = {name: tensor for name, tensor in attention.items() if not name.startswith("qkv")}
    weight, bias = attention["qkv_weight"], attention["qkv_bias"]
    return {
        **own,
        "query_key": weight[:2],
        "query_key_bias": bias[:2],
        "value": weight[2],
        "value_bias": bias[2],
    }


def _low_rank_attention(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    return at_full_rank(spec, _attention(timm, block, spec))


def _low_rank_feed_forward(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    return at_full_rank(spec, _feed_forward(timm, block, spec))


def _feed_forward(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    found = timm.modules({"norm": f"{block}.norm2", "expand": f"{block}.mlp.fc1"})
    weight, bias = _scaled(timm, f"{block}.mlp.fc2", f"{block}.ls2.gamma", f"{block}.gamma_2")
    return {**found, "reduce.weight": weight, "reduce.bias": bias}


def _window_merging(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    raise CheckpointError("no plain vision transformer of timm merges windows; choose an arch that does not")


def _classifier(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    norm = "fc_norm" if dict(spec.attrs).get("pool_first") else "norm"
    return timm.modules({"norm": norm} | _head(timm))


def _attention_classifier(timm: TimmWeights, block: str, spec: LayerSpec) -> dict[str, Tensor]:
    split, width = (spec["heads"], spec["head_width"]), spec.in_shape[-1]
    pool = "attn_pool"
    parts = {"ffn.norm": f"{pool}.norm", "ffn.expand": f"{pool}.mlp.fc1", "ffn.reduce": f"{pool}.mlp.fc2"}
    return {
        **timm.modules({"norm": "norm", **parts} | _head(timm)),
        "latent": timm[f"{pool}.latent"].flatten(),
        "query_weight": timm[f"{pool}.q.weight"].reshape(*split, width),
        "query_bias": timm[f"{pool}.q.bias"].reshape(split),
        "key_value_weight": timm[f"{pool}.kv.weight"].reshape(2, *split, width),
        "key_value_bias": timm[f"{pool}.kv.bias"].reshape(2, *split),
        "proj_weight": timm[f"{pool}.proj.weight"].reshape(width, *split),
        "proj_bias": timm[f"{pool}.proj.bias"],
    }


def _head(timm: TimmWeights) -> dict[str, str]:
    """The last layer, which networks that were trained without classes have not."""
    return {"linear": "head"} if "head.weight" in timm else {}


def _with_bias(timm: TimmWeights, module: str) -> tuple[Tensor, Tensor]:
    weight = timm[f"{module}.weight"]
    bias = f"{module}.bias"
    return weight, timm[bias] if bias in timm else weight.new_zeros(len(weight))


def _scaled(timm: TimmWeights, module: str, *scales: str) -> tuple[Tensor, Tensor]:
    """A product and the scale of its output, which has one of these names or is not there."""
    weight, bias = _with_bias(timm, module)
    for gamma in (timm[name] for name in scales if name in timm):
        weight, bias = gamma[:, None] * weight, gamma * bias
    return weight, bias


KINDS: Mapping[str, Callable[[TimmWeights, str, LayerSpec], Mapping[str, Tensor]]] = {
    "patch_embedding": _stem,
    "flexible_patch_embedding": _stem,
    "attention": _attention,
    "windowed_attention": _attention,
    "slim_attention": _slim_attention,
    "rotary_attention": _slim_attention,
    "feed_forward": _feed_forward,
    "reducing_attention": _attention,
    "window_merging": _window_merging,
    "low_rank_attention": _low_rank_attention,
    "low_rank_feed_forward": _low_rank_feed_forward,
    "attention_classifier": _attention_classifier,
}
