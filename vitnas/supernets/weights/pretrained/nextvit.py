"""Next-ViT in timm (``nextvit_small``, ``_base``, ``_large``).

timm puts all channels of a transformer block's attention before those of its convolution; ours alternate, 96 and 32,
so that slices keep their branches. Whatever reads those channels is reordered here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.layers.next_transformer_block import HIGH, LOW
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def rules(blueprint: Blueprint, timm: TimmWeights) -> Iterator[tuple[str, Mapping[str, Tensor]]]:
    blocks: Counter[str] = Counter()
    before = ""
    for site, spec in blueprint.items():
        stage = site.partition("_")[0]
        if spec.kind in ("stacked_stem", "map_classifier"):
            found = _stem(timm) if spec.kind == "stacked_stem" else _head(timm, spec)
        else:
            name = f"stages.{int(stage.removeprefix('stage')) - 1}.blocks.{blocks[stage]}"
            if spec.kind == "pool_embedding":
                found = timm.modules({"body": f"{name}.patch_embed"})
                if before == "next_transformer_block":
                    found["body.conv.weight"] = found["body.conv.weight"][:, _alternating(spec.in_shape[0])]
            else:
                found = _conv(timm, name) if spec.kind == "next_conv_block" else _transformer(timm, name, spec)
                blocks[stage] += 1
        yield site, found
        before = spec.kind


def _alternating(width: int) -> Tensor:
    """For each of our channels, which of timm's it is."""
    groups = width // (LOW + HIGH)
    low, high = torch.arange(groups * LOW), torch.arange(groups * LOW, width)
    return torch.cat([low.reshape(groups, LOW), high.reshape(groups, HIGH)], dim=1).flatten()


def _stem(timm: TimmWeights) -> dict[str, Tensor]:
    return timm.modules({f"convs.{i}": f"stem.{i}" for i in range(4)})


def _head(timm: TimmWeights, spec: LayerSpec) -> dict[str, Tensor]:
    order = _alternating(spec.in_shape[0])
    head = {"weight": timm["head.fc.weight"][None, :, order], "bias": timm["head.fc.bias"][None]}
    return {**_reordered(timm.modules({"norm": "norm"}), order), **head}


def _reordered(norm: Mapping[str, Tensor], order: Tensor) -> dict[str, Tensor]:
    return {name: tensor[order] if tensor.ndim else tensor for name, tensor in norm.items()}


def _heads(name: str) -> dict[str, str]:
    return {
        f"heads.{o}": f"{name}.mhca.{t}"
        for o, t in (("within", "group_conv3x3"), ("norm", "norm"), ("across", "projection"))
    }


def _conv(timm: TimmWeights, name: str) -> dict[str, Tensor]:
    ffn = {"ffn.norm": f"{name}.norm", "ffn.expand": f"{name}.mlp.fc1", "ffn.reduce": f"{name}.mlp.fc2"}
    return timm.modules(_heads(name) | ffn)


def _transformer(timm: TimmWeights, name: str, spec: LayerSpec) -> dict[str, Tensor]:
    low, order = spec.in_shape[0], _alternating(spec.out_shape[0])
    names = _heads(name) | {"norm": f"{name}.norm1", "narrowing": f"{name}.projection"}
    if spec["reduction"] > 1:
        names["attention.norm"] = f"{name}.e_mhsa.norm"
    ffn = timm.modules({"reduce": f"{name}.mlp.fc2", "expand": f"{name}.mlp.fc1"})
    query, key, value = (timm.modules({"": f"{name}.e_mhsa.{role}"}) for role in "qkv")
    heads = (low // HIGH, HIGH)
    return {
        **timm.modules(names),
        "attention.query": query[".weight"].reshape(*heads, low),
        "attention.query_bias": query[".bias"].reshape(heads),
        "attention.key_value": torch.stack([key[".weight"], value[".weight"]]).reshape(2, *heads, low),
        "attention.key_value_bias": torch.stack([key[".bias"], value[".bias"]]).reshape(2, *heads),
        "attention.proj": timm[f"{name}.e_mhsa.proj.weight"].reshape(low, *heads),
        "attention.proj_bias": timm[f"{name}.e_mhsa.proj.bias"],
        **_reordered(timm.modules({"ffn.norm": f"{name}.norm2"}), order),
        "ffn.expand.weight": ffn["expand.weight"][:, order],
        "ffn.expand.bias": ffn["expand.bias"],
        "ffn.reduce.weight": ffn["reduce.weight"][order],
        "ffn.reduce.bias": ffn["reduce.bias"][order],
    }
