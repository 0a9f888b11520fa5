"""Plain layers as layers of low rank that answer the same, because their rank is full."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec


def at_full_rank(spec: LayerSpec, plain: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a layer of low rank from those of the plain layer: an attention, a slim attention or a feed-forward.

    The smaller one of its two weights is the identity, so that their product is the given weight to the bit. Which directions
    matter most is for images to say, see `vitnas.supernets.pruning.ranks`.
    """
    norm = {name: tensor for name, tensor in plain.items() if name.startswith("norm")}
    if spec.kind == "low_rank_feed_forward":
        products = {name: (plain[f"{name}.weight"], plain[f"{name}.bias"]) for name in ("expand", "reduce")}
    elif "qkv_weight" in plain:
        products = {name: (plain[f"{name}_weight"], plain[f"{name}_bias"]) for name in ("qkv", "proj")}
    else:
        weight, bias = (torch.cat([plain[f"query_key{end}"], plain[f"value{end}"][None]]) for end in ("", "_bias"))
        products = {"qkv": (weight, bias), "proj": (plain["proj_weight"], plain["proj_bias"])}
    found = norm
    for name, (weight, bias) in products.items():
        down, up = _factors(weight, bias.ndim, spec)
        found |= {
            f"{name}.down": down,
            f"{name}.down_bias": down.new_zeros(len(down)),
            f"{name}.up": up,
            f"{name}.up_bias": bias,
        }
    return found


def _factors(weight: Tensor, answer_axes: int, spec: LayerSpec) -> tuple[Tensor, Tensor]:
    """A weight (*answers, *inputs) as (rank, *inputs) and (*answers, rank)."""
    answers, inputs = weight.shape[:answer_axes], weight.shape[answer_axes:]
    rank = max(spec["rank"], min(prod(answers), prod(inputs)))  # of a layer of lower rank the shapes will say so
    flat = weight.reshape(prod(answers), prod(inputs))
    if prod(inputs) <= prod(answers):
        down, up = torch.eye(rank, prod(inputs)).to(flat), F.pad(flat, (0, rank - prod(inputs)))
    else:
        down, up = F.pad(flat, (0, 0, 0, rank - prod(answers))), torch.eye(prod(answers), rank).to(flat)
    return down.reshape(rank, *inputs), up.reshape(*answers, rank)
