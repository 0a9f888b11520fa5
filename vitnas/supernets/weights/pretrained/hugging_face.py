"""ViT and DeiT as Hugging Face's transformers saves them, under timm's names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vitnas.errors import CheckpointError

_TOP = {
    "embeddings.cls_token": "cls_token",
    "embeddings.distillation_token": "dist_token",
    "embeddings.position_embeddings": "pos_embed",
    "embeddings.patch_embeddings.projection": "patch_embed.proj",
    "layernorm": "norm",
    "classifier": "head",
    "cls_classifier": "head",
    "distillation_classifier": "head_dist",
}
_BLOCK = {
    "layernorm_before": "norm1",
    "layernorm_after": "norm2",
    "attention.output.dense": "attn.proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")
_ROLE = re.compile(r"attention\.attention\.(query|key|value)")


def is_hugging_face(state: Mapping[str, Tensor]) -> bool:
    return any(name.endswith("embeddings.cls_token") for name in state)


def to_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors as timm calls them; query, key and value become one. The pooler, which no logit hears, is left out."""
    found: dict[str, Tensor] = {}
    fused: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        bare = re.sub(r"^(vit|deit)\.", "", name)
        stem, _, leaf = bare.rpartition(".")
        if bare.startswith("pooler."):
            continue
        if match := _LAYER.fullmatch(bare):
            block, part, leaf = match.groups()
            if role := _ROLE.fullmatch(part):
                fused.setdefault(f"blocks.{block}.attn.qkv.{leaf}", {})[role[1]] = tensor
            else:
                found[f"blocks.{block}.{_known(_BLOCK, part, name)}.{leaf}"] = tensor
        elif bare in _TOP:
            found[_TOP[bare]] = tensor
        else:
            found[f"{_known(_TOP, stem, name)}.{leaf}"] = tensor
    for name, roles in fused.items():
        if len(roles) < 3:
            raise CheckpointError(
                f"the pretrained weights have no {' and '.join({'query', 'key', 'value'} - {*roles})} for timm's '{name}'; save the model anew"
            )
        found[name] = torch.cat([roles[role] for role in ("query", "key", "value")])
    return found


def check_config(config: Mapping[str, Any], head_width: int) -> None:
    """Refuses what the weights do not show and our blocks do otherwise."""
    expected = {"hidden_act": "gelu", "qkv_bias": True}
    for key, value in expected.items():
        if config.get(key, value) != value:
            raise CheckpointError(
                f"the pretrained model has {key} = {config[key]!r}, the blocks here {value!r}; choose a model with that"
            )
    width, heads = config.get("hidden_size"), config.get("num_attention_heads")
    if width and heads and width != heads * head_width:
        raise CheckpointError(
            f"the pretrained model splits {width} channels into {heads} heads, the space into heads of {head_width}; "
            f"choose a model with {width // head_width} heads"
        )


def _known(names: Mapping[str, str], part: str, whole: str) -> str:
    if part not in names:
        raise CheckpointError(
            f"the pretrained weights hold '{whole}', which a plain ViT or DeiT does not have; choose such a model"
        )
    return names[part]
