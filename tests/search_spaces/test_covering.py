"""A few archs have every kind of layer at every site, however rare."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fast import fast_only
from vitnas.search_spaces import SPACES, load_space
from vitnas.search_spaces.covering import covering, layers_in, layers_of

GIVEN = ("prune+map:deit/DeiT-Ti", "stitch:deit/DeiT-Ti+deit/DeiT-S")
FAST = ("mixers", "efficientformerv2", "nextvit", "prune+map:deit/DeiT-Ti")


@pytest.mark.parametrize("name", fast_only([*SPACES.names(), *GIVEN], FAST))
def test_every_layer_is_in_one_of_them(name: str) -> None:
    space = load_space(name)
    left = layers_of(space)
    total, archs = len(left), list(covering(space, left))
    for arch in archs:
        assert space.check(arch) == arch
        here = layers_in(space, arch)
        assert here & left  # none is there for nothing
        left -= here
    assert not left
    assert len(archs) <= total


def test_one_that_few_archs_have_is_found_at_once() -> None:
    """A layer that one of two million archs has: draws would hardly meet it."""
    space = load_space("mixers")
    kinds: dict[str, list[str]] = {}
    for site, kind in sorted(layers_of(space)):
        kinds.setdefault(site, []).append(kind)
    rare = {(site, each[-1]) for site, each in kinds.items() if len(each) > 3}
    archs = list(covering(space, set(rare)))
    assert len(archs) == 1
    assert rare <= layers_in(space, archs[0])
    drawn = space.sample(200, np.random.default_rng(0))
    assert not any(rare <= layers_in(space, arch) for arch in drawn)


def test_they_are_the_same_every_time_and_none_for_nothing() -> None:
    space = load_space("efficientformerv2")
    assert list(covering(space, layers_of(space))) == list(covering(space, layers_of(space)))
    assert list(covering(space, layers_of(space), seed=1)) != list(covering(space, layers_of(space)))
    assert list(covering(space, set())) == []
