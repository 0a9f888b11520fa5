"""LeViT's kind of attention in timm: rows of a fused projection are query, key, value of one head, then the next."""

from __future__ import annotations

import torch
from torch import Tensor

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.weights.pretrained.timm_weights import TimmWeights


def offset_attention(timm: TimmWeights, name: str, spec: LayerSpec) -> dict[str, Tensor]:
    """The projections and the table of offsets of an `OffsetAttention`, from timm's module `name`."""
    key_width, value_width = spec["key_width"], spec["value_width"]
    width = 2 * key_width + value_width
    fused = timm[f"{name}.qkv.weight"].reshape(-1, width, spec.in_shape[0])
    fused_bias = timm[f"{name}.qkv.bias"].reshape(-1, width)
    roles = (slice(key_width), slice(key_width, 2 * key_width), slice(2 * key_width, None))
    query, key, value = (fused[:, rows] for rows in roles)
    query_bias, key_bias, value_bias = (fused_bias[:, rows] for rows in roles)
    return {
        "query_key": torch.stack([query, key]),
        "query_key_bias": torch.stack([query_bias, key_bias]),
        "value": value,
        "value_bias": value_bias,
        "proj": timm[f"{name}.proj.weight"].reshape(spec.in_shape[0], -1, value_width),
        "proj_bias": timm[f"{name}.proj.bias"],
        "offset_bias": square(timm[f"{name}.attention_biases"]),
    }


def square(table: Tensor) -> Tensor:
    """(heads, side * side) -> (heads, side, side)."""
    side = round(table.shape[1] ** 0.5)
    return table.reshape(-1, side, side)
