"""What many archs answer to the same images: layers that several of them begin with run once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.data import Images

BATCH_SIZE = 64


@dataclass
class _Fork:
    """Layers that begin several networks, and where these part.

    Attributes:
        ends: the networks that end here.
        onwards: the next layer of the others, and where it leads.
    """

    ends: list[int] = field(default_factory=list)
    onwards: dict[tuple[str, LayerSpec], tuple[nn.Module, _Fork]] = field(default_factory=dict)

    def run(self, x: Tensor, found: list[Tensor]) -> None:
        for i in self.ends:
            found[i] = x
        for layer, fork in self.onwards.values():
            fork.run(layer(x), found)


@torch.no_grad()
def answers_of(networks: Sequence[nn.Module], blueprints: Sequence[Blueprint], images: Images) -> tuple[Tensor, Tensor]:
    """Logits ``(networks, images, classes)`` and labels.

    Args:
        networks: chains of layers in evaluation mode, cut from one supernet.
        blueprints: theirs; two that begin with the same layers at the same sites have the same weights there.
        images: to look at, in their order.
    """
    root = _Fork()
    for i, (network, blueprint) in enumerate(zip(networks, blueprints, strict=True)):
        fork = root
        for place, layer in zip(blueprint.items(), network.children(), strict=True):
            _, fork = fork.onwards.setdefault(place, (layer, _Fork()))
        fork.ends.append(i)
    logits: list[list[Tensor]] = [[] for _ in networks]
    labels = []
    for x, y in images.batches(BATCH_SIZE):
        found: list[Tensor] = [x] * len(networks)
        root.run(x, found)
        for own, batch in zip(logits, found, strict=True):
            own.append(batch)
        labels.append(y)
    return torch.stack([torch.cat(own) for own in logits]), torch.cat(labels)
