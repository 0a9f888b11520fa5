"""Groups: the channels of a network that can only move together, and which axes of which tensors they lie along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Blueprint
from vitnas.supernets.pruning.channels import Channels, attributes_of, channels_of
from vitnas.supernets.pruning.products import Product, watched
from vitnas.supernets.pruning.streams import streams_of

Group = tuple[str, str]
"""A site and one of its attributes, or the site that first writes a stream and ""."""


@dataclass(frozen=True)
class GroupAxis:
    """An axis of a tensor along which the channels of a group lie.

    Attributes:
        group: whose channels.
        block: neighbouring entries of each channel.
        summed: whether a product sums over it, so that places that share a channel divide it instead of repeating it.
    """

    group: Group
    block: int
    summed: bool

    def weight(self, places: int, channels: int) -> float:
        """Of what a place takes: all of it, or so much that each channel counts once in the sum over places."""
        return channels / places if self.summed else 1.0

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
        for group, site, channels in _members(blueprint):
            sizes[group] = channels.size
            for one in channels.axes:
                name = f"{site}.{one.name}"
                is_summed = name in summed and one.axis >= summed[name]
                axes.setdefault(name, {})[one.axis] = GroupAxis(group, one.block, is_summed)
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
    shapes = {name: p.shape for name, p in network.named_parameters()}
    parts = network.named_modules()
    found = {f"{name}.weight": 1 for name, part in parts if isinstance(part, nn.Conv2d) and part.groups == 1}

    def see(product: Product) -> None:
        shape, inputs = shapes[product.weight], product.inputs.shape[1]
        first = next((axis for axis in range(1, len(shape)) if prod(shape[axis:]) == inputs), None)
        if first is not None:
            found[product.weight] = first

    with watched(network, see):
        network(torch.zeros(1, *blueprint.layers[0].in_shape).to(next(network.parameters())))
    return found
