"""Reducing attention: softmax self-attention after which there are fewer tokens (EViT, ToMe), on the weights of plain attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.settings import about
from vitnas.supernets.layers.attention import TokenAttention

# Shape suffixes: B batch, T tokens, P patches (all tokens but the class token), N entries of one token, H heads, E head width,
# R patches that move, S patches that they may move to.

LEAST_WEIGHT = 1e-4
"""What a fused patch counts at least: half precision knows it, and the weights of patches that nobody looks at have a sum."""


class ReducingAttention(TokenAttention):
    """(T, D) -> (U, D): attention, then as many patches as the output has room for; the class token comes first and stays.

    With ``by="keep"`` (EViT) the patches stay that the class token looks at most, on the mean over heads, and the others
    become one token, their mean weighted by that look. With ``by="merge"`` (ToMe) every other patch offers itself to the
    one with the nearest keys among the rest, and the nearest pairs become their mean, in several rounds where more than
    half of the patches go. Where nothing goes this is `attention` to the bit. How many tokens go is fixed by the shapes, so
    exported graphs are static.
    """

    @dataclass(frozen=True)
    class Attrs(TokenAttention.Attrs):
        by: Annotated[
            Literal["keep", "merge"],
            about("keep fuses what the class token looks at least, merge joins similar patches"),
        ]

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        self.left = spec.out_shape[0] - 1

    def forward(self, x: Tensor) -> Tensor:
        q_BHTE, k_BHTE, v_BHTE = self.queries_keys_values(x)
        y = self.added(x, F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE))
        return y if x.shape[1] == 1 + self.left else self._reduced(y, q_BHTE, k_BHTE)

    def members(self, x: Tensor) -> Tensor:
        """(B, T, D) -> (B, U, T): which tokens each of those that leave was made of, as shares above zero."""
        q_BHTE, k_BHTE, _ = self.queries_keys_values(x)
        each = torch.eye(x.shape[1], dtype=x.dtype, device=x.device).expand(len(x), -1, -1)
        return each if x.shape[1] == 1 + self.left else self._reduced(each, q_BHTE, k_BHTE)

    def _reduced(self, x_BTN: Tensor, q_BHTE: Tensor, k_BHTE: Tensor) -> Tensor:
        patches_BPN = x_BTN[:, 1:]
        if self.attrs.by == "keep":
            fewer_BPN = _kept(patches_BPN, _seen(q_BHTE, k_BHTE), self.left - 1)
        else:
            fewer_BPN = _merged(patches_BPN, k_BHTE.mean(dim=1)[:, 1:], self.left)
        return torch.cat([x_BTN[:, :1], fewer_BPN], dim=1)


def _seen(q_BHTE: Tensor, k_BHTE: Tensor) -> Tensor:
    """(B, P), how much the class token looks at each patch; one row of scores, so that attention itself stays fused."""
    scores_BHT = ((q_BHTE[:, :, :1] * q_BHTE.shape[-1] ** -0.5) @ k_BHTE.transpose(-2, -1)).squeeze(2)
    seen_BT: Tensor = scores_BHT.softmax(dim=-1).mean(dim=1)
    return seen_BT[:, 1:]


def _kept(patches_BPN: Tensor, seen_BP: Tensor, count: int) -> Tensor:
    """The patches that are seen most, in that order, and the mean of the others."""
    if not count:
        return _mean(patches_BPN, seen_BP)
    seen_BP, order_BP = seen_BP.topk(seen_BP.shape[1])
    ranked_BPN = _gathered(patches_BPN, order_BP)
    return torch.cat([ranked_BPN[:, :count], _mean(ranked_BPN[:, count:], seen_BP[:, count:])], dim=1)


def _mean(patches_BPN: Tensor, seen_BP: Tensor) -> Tensor:
    weights = seen_BP + LEAST_WEIGHT
    return (weights / weights.sum(dim=1, keepdim=True)).unsqueeze(1) @ patches_BPN


def _merged(patches_BPN: Tensor, keys_BPE: Tensor, count: int) -> Tensor:
    """Means of patches with similar keys, `count` of them.

    Sums of what was merged go from round to round, with their keys and how many they are; directions of keys are the same
    of sums and means.
    """
    width, num_keys = patches_BPN.shape[-1], keys_BPE.shape[-1]
    sums = F.pad(torch.cat([patches_BPN, keys_BPE], dim=-1), (0, 1), value=1.0)
    while sums.shape[1] > count:
        offered, receiving = sums[:, ::2], sums[:, 1::2]
        moving = min(sums.shape[1] - count, offered.shape[1])
        keys = F.normalize(sums[..., width : width + num_keys], dim=-1)
        nearest = (keys[:, ::2] @ keys[:, 1::2].transpose(1, 2)).max(dim=-1)
        moved, to_BR, staying = offered, nearest.indices, []
        if moving < offered.shape[1]:
            order = nearest.values.topk(offered.shape[1]).indices
            ranked = _gathered(offered, order)
            moved, to_BR, staying = ranked[:, :moving], to_BR.gather(1, order[:, :moving]), [ranked[:, moving:]]
        goes_BRS = (to_BR.unsqueeze(-1) == torch.arange(receiving.shape[1], device=sums.device)).to(sums.dtype)
        sums = torch.cat([*staying, receiving + goes_BRS.transpose(1, 2) @ moved], dim=1)
    return sums[..., :width] / sums[..., -1:]


def _gathered(x_BPN: Tensor, order_BP: Tensor) -> Tensor:
    return x_BPN.gather(1, order_BP.unsqueeze(-1).expand(-1, -1, x_BPN.shape[-1]))
