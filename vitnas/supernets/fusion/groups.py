"""Groups: the channels of a network that can only move together, and which axes of which tensors they lie along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Blueprint
from vitnas.supernets.layers.low_rank import keep_apart
from vitnas.supernets.precision.products import run_network
from vitnas.supernets.pruning.channels import Channels, attributes_of, channels_of
from vitnas.supernets.pruning.products import Product, ProductWatch
from vitnas.supernets.pruning.streams import streams_of

Group = tuple[str, str]
"""A site and one of its attributes, or the site that first writes a stream and ""."""


@dataclass(frozen=True)
class GroupAxis:
    """An axis of a tensor along which the channels of a group lie.

    Attributes:
        group: whose channels.
        block: neighbouring entries of each channel.
        divided: how places that share a channel take it: 0, each all of it; 1, where a product sums over the axis, so much
            that each channel counts once in the sum; 1/2 where the sum is over products of two such channels, as of
            queries and keys.
    """

    group: Group
    block: int
    divided: float

    def weight(self, places: int, channels: int) -> float:
        """Of what a place takes."""
        return float((channels / places) ** self.divided)

    def moved(self, tensor: Tensor, axis: int, plan: Tensor) -> Tensor:
        """A tensor whose channels along an axis have gone to the places of a plan, see `transport`."""
        places, channels = plan.shape
        first = tensor.movedim(axis, 0)
        taken = self.weight(places, channels) * plan.to(tensor) @ first.reshape(channels, -1)
        return taken.reshape(places * self.block, *first.shape[1:]).movedim(0, axis)


@dataclass(frozen=True)
class Groups:
    """All groups of a network.

    Attributes:
        sizes: how many channels each has.
        axes: name of a tensor -> axis -> the group along it.
    """

    sizes: Mapping[Group, int]
    axes: Mapping[str, Mapping[int, GroupAxis]]

    @classmethod
    def of(cls, blueprint: Blueprint, network: nn.Module) -> Groups:
        """Those whose channels may be exchanged; the rest keep their places."""
        summed = _summed(blueprint, network)
        sizes: dict[Group, int] = {}
        axes: dict[str, dict[int, GroupAxis]] = {}
        read: set[Group] = set()
        for group, site, channels in _members(blueprint):
            sizes[group] = channels.size
            for one in channels.axes:
                name = f"{site}.{one.name}"
                is_summed = name in summed and one.axis >= summed[name]
                axes.setdefault(name, {})[one.axis] = GroupAxis(group, one.block, float(is_summed))
                if is_summed:
                    read.add(group)
        for own in axes.values():  # what no weight sums over meets its like
            own |= {i: replace(axis, divided=0.5) for i, axis in own.items() if axis.group not in read}
        return cls(sizes, axes)


def _members(blueprint: Blueprint) -> Iterator[tuple[Group, str, Channels]]:
    """Every group with each site that has channels of it."""
    for site, spec in blueprint.items():
        for attribute in attributes_of(spec):
            channels = channels_of(spec, attribute)
            if not channels.refused:
                yield (site, attribute), site, channels
    for stream in streams_of(blueprint):
        if not stream.refused:
            for end in stream.ends:
                yield (stream.ends[0].site, ""), end.site, end.channels


def _summed(blueprint: Blueprint, network: nn.Module) -> dict[str, int]:
    """Of the weights that are products or convolutions, the first axis of their inputs."""
    network = deepcopy(network).eval()
    keep_apart(network)
    shapes = {name: p.shape for name, p in network.named_parameters()}
    parts = network.named_modules()
    found = {f"{name}.weight": 1 for name, part in parts if isinstance(part, nn.Conv2d) and part.groups == 1}

    def see(product: Product) -> None:
        shape, inputs = shapes[product.weight], product.inputs.shape[1]
        first = next((axis for axis in range(1, len(shape)) if prod(shape[axis:]) == inputs), None)
        if first is not None:
            found[product.weight] = first

    watch = ProductWatch(network, see)
    x = torch.zeros(1, *blueprint.layers[0].in_shape).to(next(network.parameters()))
    run_network(network, x, lambda site: watch)
    return found
