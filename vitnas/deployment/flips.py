"""Are the same tokens chosen in half precision? Measured on the weights that are exported, before a format is written."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitnas.deployment.exporters import Exporter
from vitnas.deployment.folding import resampled
from vitnas.errors import ExportError
from vitnas.supernets.layers.reducing_attention import ReducingAttention

MOST_IMAGES = 32
"""Half precision is slow on processors, and every image has a choice in every layer that makes one."""


@dataclass(frozen=True)
class Flips:
    """How often a network chooses other tokens in half precision.

    A choice is what one layer makes of one image: which of the original patches are together in one token, and which
    alone. It has flipped where the answer is not the same for all patches; a choice that builds on a flipped one has
    mostly flipped as well.
    """

    num_images: int
    num_choices: int
    num_flipped: int

    @property
    def share(self) -> float:
        return self.num_flipped / self.num_choices

    def __str__(self) -> str:
        return f"{self.share:.1%} of {self.num_choices} choices of tokens flip in half precision ({self.num_images} images)"


@torch.no_grad()
def flips_in_half(network: nn.Module, x: Tensor) -> Flips | None:
    """The flips of a chain of layers in evaluation mode on a few of these images; None where nothing is chosen."""
    if not any(map(_chooses, network.children())):
        return None
    network = nn.Sequential(*map(resampled, network.children()))
    half, flipped = deepcopy(network).half(), []
    for batch in torch.split(x[:MOST_IMAGES], 16):
        for here, there in zip(_groupings(network, batch), _groupings(half, batch.half()), strict=True):
            flipped += (here != there).flatten(1).any(dim=1).tolist()
    return Flips(min(len(x), MOST_IMAGES), len(flipped), sum(flipped))


def refuse_flips(exporter: Exporter, flips: Flips | None, where: str) -> None:
    """Refuses a format that computes in half precision for a network that chooses too many other tokens there."""
    if flips is None or exporter.most_flips is None or flips.share <= exporter.most_flips:
        return
    raise ExportError(
        f"{where}, format '{exporter.name}': {flips}, over the limit of {exporter.most_flips:.0%}, and this format computes in "
        "it; take an arch that merges windows (reducer 'window', which chooses nothing), or a format in fp32"
    )


def _chooses(layer: nn.Module) -> bool:
    return isinstance(layer, ReducingAttention) and layer.spec.in_shape != layer.spec.out_shape


def _groupings(network: nn.Module, x: Tensor) -> Iterator[Tensor]:
    """For every layer that chooses ``(B, P, P)``: which pairs are now in one of the tokens that came to the first layer.

    The first of its kind, or the first since another layer made fewer tokens.
    """
    members: Tensor | None = None
    for layer in network.children():
        if isinstance(layer, ReducingAttention) and _chooses(layer):
            own = (layer.members(x) > 0).float()
            members = own if members is None else own @ members
            yield members.transpose(1, 2) @ members > 0
        before = x.shape[1]
        x = layer(x)
        if not _chooses(layer) and x.shape[1] != before:
            members = None
