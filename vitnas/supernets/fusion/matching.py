"""Matching: all groups of channels of a network aligned to those of another, in turns (Ainsworth et al., 2023)."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.fusion.groups import Group
from vitnas.supernets.fusion.pairs import Pairs, Plans
from vitnas.supernets.fusion.transport import transport

TURNS, LEAST = 20, 1e-5
"""Most times that every group is aligned anew, and the relative gain of agreement below which no further turn is taken."""


def align(pairs: Pairs) -> Plans:
    """The plans under which two networks agree most, of those that two starts lead to.

    One start leaves channels where they are, as subnets of one supernet have them; the other compares channels by what the
    order of the other groups cannot change, and so finds any exchange of channels.
    """
    starts = (
        {group: transport(torch.eye(*sizes)) for group, sizes in pairs.sizes.items()},
        {group: transport(_likeness(pairs, group)) for group in pairs.sizes},
    )
    return max((_in_turns(pairs, start) for start in starts), key=pairs.agreement)


def _in_turns(pairs: Pairs, plans: Plans) -> Plans:
    """From a start to where aligning any group anew, by the others as they are, gains nothing."""
    reached = pairs.agreement(plans)
    for _ in range(TURNS):
        turned = dict(plans)
        for group in turned:
            turned[group] = transport(pairs.similarity(group, turned))
        gained = pairs.agreement(turned) - reached
        if not gained > LEAST * abs(reached):
            break
        plans, reached = turned, reached + gained
    return plans


def _likeness(pairs: Pairs, group: Group) -> Tensor:
    """``(places, channels)``: inner products of channels whose values are sorted along the other groups."""
    places, channels = pairs.sizes[group]
    found = torch.zeros(places, channels)
    for name, axis, one in pairs.where(group):
        others = [other for other in pairs.axes[name] if other != axis]
        own, other = (
            _sorted(tensor, axis, others, size)
            for tensor, size in zip(pairs.tensors[name], pairs.sizes[group], strict=True)
        )
        length = min(own.shape[-1], other.shape[-1])
        own, other = (F.interpolate(x, length, mode="linear", align_corners=True) for x in (own, other))
        found += one.weight(places, channels) * own.flatten(1) @ other.flatten(1).T
    return found


def _sorted(tensor: Tensor, axis: int, others: list[int], size: int) -> Tensor:
    """``(size, fixed, sorted)``: an axis of channels, those of no group, and those of other groups."""
    last = tensor.movedim((axis, *others), (0, *range(-len(others), 0)))
    return last.reshape(size, -1, prod(tensor.shape[other] for other in others)).sort(dim=-1).values
