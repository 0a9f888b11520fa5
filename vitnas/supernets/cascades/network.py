"""CascadeNetwork: the parts of a cascade with their weights; images that a part is not sure of go on to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Cascade, SearchSpace
from vitnas.search_spaces.cascades.parts import CascadePart
from vitnas.supernets.cascades.rules import RULES
from vitnas.supernets.cascades.rules.exit_rule import ExitRule

LOGITS, SURE, NEXT = "logits", "sure", "next_state"
"""What a part gives, in this order."""
IMAGE, STATE = "image", "state"
"""What a part takes: one of the two."""


class Answered(NamedTuple):
    """What a cascade answers to images (B, ...).

    Attributes:
        logits: (B, classes).
        exits: (B,), which part it was that answered, from 0.
    """

    logits: Tensor
    exits: Tensor


class PartNetwork(nn.Module):
    """One part: from the image, or the state that an earlier part left, to logits, how sure they are, and a new state.

    Attributes:
        trunk: gives the state; empty where none is handed on.
        branch: from there to the logits.
        rule: scores the logits; the last part has none, as it answers whatever is left.
        takes_image: whether it looks at the image.
        hands_on: whether it gives a new state.
    """

    def __init__(self, trunk: nn.Sequential, branch: nn.Sequential, rule: ExitRule | None, part: CascadePart) -> None:
        super().__init__()
        self.trunk, self.branch, self.rule = trunk, branch, rule
        self.takes_image, self.hands_on = part.takes_image, part.hands_on
        first = part.blueprint.layers[part.start]
        self.in_shape = first.in_shape

    @property
    def source(self) -> str:
        """The name of what it takes."""
        return IMAGE if self.takes_image else STATE

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what it gives."""
        return (LOGITS, *[SURE] * (self.rule is not None), *[NEXT] * self.hands_on)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        state = self.trunk(x)
        logits = self.branch(state)
        sure = [] if self.rule is None else [self.rule(logits)]
        return (logits, *sure, *[state] * self.hands_on)


class CascadeNetwork(nn.Module):
    """All parts, in evaluation mode.

    The images of a batch that a part is not sure of are the batch of the next part, so each is decided by itself.

    Attributes:
        parts: in order.
        thresholds: of the parts but the last.
    """

    def __init__(self, parts: Sequence[PartNetwork], thresholds: Sequence[float]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.thresholds = tuple(thresholds)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Answered:
        exits = torch.full((len(images),), len(self.parts) - 1, device=images.device)
        left = torch.arange(len(images), device=images.device)
        state, rows, found = images, [], []
        for i, part in enumerate(self.parts):
            assert isinstance(part, PartNetwork)
            given = dict(zip(part.outputs, part(images[left] if part.takes_image else state), strict=True))
            done = torch.ones(len(left), dtype=torch.bool, device=images.device)
            if SURE in given:
                done = given[SURE].double() >= self.thresholds[i]
            exits[left[done]] = i
            rows.append(left[done])
            found.append(given[LOGITS][done])
            state, left = given.get(NEXT, state)[~done], left[~done]
            if not len(left):
                break
        order = torch.cat(rows).argsort()
        return Answered(torch.cat(found)[order], exits)


def cascade_network(cascade: Cascade, space: SearchSpace, networks: Sequence[nn.Module]) -> CascadeNetwork:
    """The parts of a cascade from the networks of its archs, which have the weights of what they share in common.

    Args:
        cascade: of the space.
        space: of the archs.
        networks: chains of named layers, one for each arch, as a supernet gives them.
    """
    parts, classes = cascade.parts(space), space.task.num_classes
    rule = RULES.load(cascade.rule)
    weights = cascade.weights or ((),) * len(cascade.thresholds)
    rules = [*(rule(classes, one) for one in weights), None]
    found = []
    for part, network, own in zip(parts, networks, rules, strict=True):
        layers = dict(network.named_children())
        trunk, branch = (_chain(layers, sites) for sites in (part.trunk.sites, part.branch.sites))
        found.append(PartNetwork(trunk, branch, own, part))
    return CascadeNetwork(found, cascade.thresholds).eval()


def _chain(layers: dict[str, nn.Module], sites: Sequence[str]) -> nn.Sequential:
    return nn.Sequential(OrderedDict((site, layers[site]) for site in sites))
