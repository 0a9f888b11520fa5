"""What of each arch of a cascade runs where the archs before it were not sure: the layers that they share run once."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from vitnas.errors import InvalidArchError
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import Blueprint
from vitnas.search_spaces.space import SearchSpace


@dataclass(frozen=True)
class CascadePart:
    """The layers of one arch that no arch before it has run.

    Attributes:
        arch: that answers.
        start: the number of its layers that ran before; 0 takes the image, any other the state handed on.
        split: from `start` to here its layers are the trunk, whose state the next part takes over.
        blueprint: of the arch.
    """

    arch: Arch
    start: int
    split: int
    blueprint: Blueprint

    @property
    def trunk(self) -> Blueprint:
        """What the next part goes on from, if it goes on from this one."""
        return _layers(self.blueprint, self.start, self.split)

    @property
    def branch(self) -> Blueprint:
        """From the state to the logits."""
        return _layers(self.blueprint, self.split, len(self.blueprint))

    @property
    def takes_image(self) -> bool:
        """Whether it looks at the image, and not at what the part before it left."""
        return self.start == 0

    @property
    def hands_on(self) -> bool:
        """Whether it gives a new state."""
        return self.split > self.start


def parts_of(space: SearchSpace, archs: Sequence[Arch]) -> tuple[CascadePart, ...]:
    """The parts of a cascade of these archs, in their order.

    A part goes on from the layers that it has in common with the arch before it. Two archs that have the image alone in
    common, a big and a little one, run whole.
    """
    blueprints = [space.lower(space.check(arch)) for arch in archs]
    found: list[CascadePart] = []
    start = 0
    for i, (arch, blueprint) in enumerate(zip(archs, blueprints, strict=True)):
        common = num_common(blueprint, blueprints[i + 1]) if i + 1 < len(archs) else 0
        if common == len(blueprint):
            raise InvalidArchError(
                f"archs {arch.id} and {archs[i + 1].id} are one network; a cascade needs archs that answer otherwise"
            )
        if blueprint.in_shape != blueprints[0].in_shape:
            raise InvalidArchError(
                f"arch {arch.id} looks at images of {blueprint.in_shape}, arch {archs[0].id} at those of "
                f"{blueprints[0].in_shape}; the archs of a cascade look at one image, so give archs of one size"
            )
        goes_on = common >= start
        found.append(CascadePart(arch, start, common if goes_on else start, blueprint))
        start = common if goes_on else 0
    return tuple(found)


def num_common(first: Blueprint, second: Blueprint) -> int:
    """How many layers two networks begin with that are the same, at the same sites."""
    same = (one == other for one, other in zip(first.items(), second.items(), strict=False))
    return sum(1 for _ in itertools.takewhile(bool, same))


def _layers(blueprint: Blueprint, start: int, stop: int) -> Blueprint:
    return Blueprint(blueprint.sites[start:stop], blueprint.layers[start:stop])
