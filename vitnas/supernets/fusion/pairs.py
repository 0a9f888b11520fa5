"""Pairs: which layers of two networks belong together, and how well their channels agree once they are aligned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Blueprint
from vitnas.supernets.fusion.groups import Group, GroupAxis, Groups
from vitnas.supernets.layers import Layer

Plans = Mapping[Group, Tensor]
"""Of each group, which channel of the second network goes to which place in the first, see `transport`."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """The tensors of two networks that belong together, in single precision.

    Attributes:
        tensors: name -> that of the first and that of the second network.
        axes: name -> axis -> the group along it, in both networks.
        sizes: group -> its channels in the first and in the second.
        learned: names of those that were trained, by which channels are compared; the others are statistics.
        sites: whose layers they are.
    """

    tensors: Mapping[str, tuple[Tensor, Tensor]]
    axes: Mapping[str, Mapping[int, GroupAxis]]
    sizes: Mapping[Group, tuple[int, int]]
    learned: tuple[str, ...]
    sites: frozenset[str]

    @classmethod
    def of(cls, first: nn.Module, second: nn.Module) -> Pairs:
        """Those of the layers of one kind at one site that differ in the sizes of groups at most."""
        mine, theirs = (Groups.of(blueprint_of(network), network) for network in (first, second))
        sizes = {group: (size, theirs.sizes[group]) for group, size in mine.sizes.items() if group in theirs.sizes}
        others = dict(second.named_children())
        tensors, axes, sites = {}, {}, set()
        for site, layer in first.named_children():
            if site not in others or not _match(site, layer, others[site], mine, theirs):
                continue
            sites.add(site)
            own, other = layer.state_dict(), others[site].state_dict()
            for leaf in (leaf for leaf in own if own[leaf].is_floating_point()):
                name = f"{site}.{leaf}"
                tensors[name] = own[leaf].cpu().float(), other[leaf].cpu().float()
                axes[name] = mine.axes.get(name, {})
        used = {one.group for each in axes.values() for one in each.values()}
        learned = tuple(name for name, _ in first.named_parameters() if name in tensors)
        return cls(tensors, axes, {g: size for g, size in sizes.items() if g in used}, learned, frozenset(sites))

    def where(self, group: Group) -> Iterator[tuple[str, int, GroupAxis]]:
        """The names and axes of what was trained of a group."""
        for name in self.learned:
            for axis, one in self.axes[name].items():
                if one.group == group:
                    yield name, axis, one

    def moved(self, name: str, plans: Plans, but: int | None = None) -> Tensor:
        """A tensor of the second network with its channels in the places of the first, `but` those along one axis."""
        tensor = self.tensors[name][1]
        for axis, one in self.axes[name].items():
            if axis != but:
                tensor = one.moved(tensor, axis, plans[one.group])
        return tensor

    def agreement(self, plans: Plans) -> float:
        """The inner product of the two networks."""
        return sum(float((self.tensors[name][0] * self.moved(name, plans)).sum()) for name in self.learned)

    def similarity(self, group: Group, plans: Plans) -> Tensor:
        """``(places, channels)``: inner products of the channels of a group, the other groups being aligned."""
        places, channels = self.sizes[group]
        found = torch.zeros(places, channels)
        for name, axis, one in self.where(group):
            own, other = self.tensors[name][0].movedim(axis, 0), self.moved(name, plans, axis).movedim(axis, 0)
            found += one.weight(places, channels) * own.reshape(places, -1) @ other.reshape(channels, -1).T
        return found


def blueprint_of(network: nn.Module) -> Blueprint:
    """Of a network whose layers are named by site."""
    layers = dict(network.named_children())
    return Blueprint(tuple(layers), tuple(layer.spec for layer in layers.values() if isinstance(layer, Layer)))


def _match(site: str, own: nn.Module, other: nn.Module, mine: Groups, theirs: Groups) -> bool:
    """Whether two layers at a site are of one kind and differ in the sizes of common groups at most."""
    assert isinstance(own, Layer)
    assert isinstance(other, Layer)
    fixed = [
        {name: value for name, value in layer.spec.attrs if (site, name) not in groups.sizes}
        for layer, groups in ((own, mine), (other, theirs))
    ]
    left, right = own.state_dict(), other.state_dict()
    if own.spec.kind != other.spec.kind or fixed[0] != fixed[1] or left.keys() != right.keys():
        return False
    for leaf, tensor in left.items():
        along = mine.axes.get(f"{site}.{leaf}", {})
        if along != theirs.axes.get(f"{site}.{leaf}", {}):
            return False
        sizes = zip(tensor.shape, right[leaf].shape, strict=True)
        if any(one != another for axis, (one, another) in enumerate(sizes) if axis not in along):
            return False
    return True
