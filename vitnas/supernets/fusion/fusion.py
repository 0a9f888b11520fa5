"""Fusion of two networks by optimal transport (OTFusion, Singh and Jaggi, 2020): the second is aligned to the first, then averaged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from vitnas.errors import SettingsError, TrainingError
from vitnas.supernets.fusion.matching import align
from vitnas.supernets.fusion.pairs import Pairs, blueprint_of
from vitnas.supernets.supernet import build_network


@dataclass(frozen=True)
class Fused:
    """What became of two networks.

    Attributes:
        network: of the layers of the first.
        alone: sites where the second has no layer that fits, so that the first's is as it was.
    """

    network: nn.Sequential
    alone: tuple[str, ...]


@torch.no_grad()
def fuse_networks(first: nn.Module, second: nn.Module, share: float = 0.5) -> Fused:
    """The weighted mean of a network and of another whose channels were taken to the places of the first.

    Depths, widths, heads and hidden channels may differ: what only the second has is left out or shared among the places of
    the first, what only the first has stays.

    Args:
        first: layers named by site, as `Supernet.extract` and `load_model` give them.
        second: another one of the same space.
        share: of the second in the mean, from 0 to 1.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"share is {share:g}; give what the second network counts for, from 0 to 1")
    pairs = Pairs.of(first, second)
    if not pairs.sites:
        raise SettingsError(
            "the two networks have no layer in common that could be averaged; give two archs of one space"
        )
    for name, both in pairs.tensors.items():
        if not all(bool(tensor.isfinite().all()) for tensor in both):
            raise TrainingError(
                f"'{name}' has weights that are not finite: a training went astray; give networks without such"
            )
    plans, network = align(pairs), build_network(blueprint_of(first))
    state = {name: tensor.detach().clone() for name, tensor in first.state_dict().items()}
    for name, (own, _) in pairs.tensors.items():
        state[name].copy_(own.lerp(pairs.moved(name, plans), share))
    network.load_state_dict(state)
    return Fused(network.eval(), tuple(site for site, _ in first.named_children() if site not in pairs.sites))
