"""Supernet: one set of weights for all archs of a space, and the plain networks cut from it."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Arch, Blueprint, LayerSpec, SearchSpace
from vitnas.supernets.layers import Layer, build


def build_network(blueprint: Blueprint) -> nn.Sequential:
    """The plain network of a blueprint, freshly initialised; its modules carry the names of the sites."""
    return nn.Sequential(OrderedDict((site, build(spec)) for site, spec in blueprint.items()))


class Supernet(nn.Module):
    """The largest layer of every site; smaller ones are slices of it.

    There is no active subnet: every call names its arch, so two may run side by side.
    """

    def __init__(self, space: SearchSpace, seed: int = 0) -> None:
        super().__init__()
        self.space = space
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleDict()
            for site, specs in space.lowering.specs_at().items():
                for kind in dict.fromkeys(spec.kind for spec in specs):
                    largest = LayerSpec.join(s for s in specs if s.kind == kind)
                    self.layers[f"{site}-{kind}"] = build(largest)

    def forward(self, x: Tensor, arch: Arch) -> Tensor:
        for layer, spec in self._layers_of(arch):
            x = layer.at(spec)(x)
        return x

    def at(self, arch: Arch) -> nn.Sequential:
        """The network of an arch on the shared weights, for one forward pass (see `Layer.at`)."""
        return nn.Sequential(*(layer.at(spec) for layer, spec in self._layers_of(arch)))

    def extract(self, arch: Arch) -> nn.Sequential:
        """The network of an arch as a plain module with its own copy of the weights."""
        sites = self.space.lower(arch).sites
        return nn.Sequential(
            OrderedDict(
                (site, layer.narrow(spec)) for site, (layer, spec) in zip(sites, self._layers_of(arch), strict=True)
            )
        )

    def _layers_of(self, arch: Arch) -> list[tuple[Layer, LayerSpec]]:
        found = []
        for site, spec in self.space.lower(arch).items():
            layer = self.layers[f"{site}-{spec.kind}"]
            assert isinstance(layer, Layer)
            found.append((layer, spec))
        return found
