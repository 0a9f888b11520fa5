"""AsCAN's asymmetry: convolutions before attention in a stage, and no less attention from stage to stage."""

from __future__ import annotations

import re

import numpy as np
import pytest

from vitnas.errors import InvalidArchError, SpaceError
from vitnas.search_spaces import Arch, Task, load_space
from vitnas.supernets.counting.counts import count, count_layer

LETTERS = {"fused_mbconv": "C", "map_attention": "T"}


def _layout(arch: Arch) -> list[str]:
    """The blocks of each stage in order, C for convolution and T for attention."""
    stages = [""] * 4
    for site, spec in load_space("ascan").lower(arch).items():
        stage = re.match(r"stage(\d)", site)
        if stage:
            stages[int(stage[1]) - 1] += LETTERS.get(spec.kind, "")
    return stages


def test_every_arch_is_asymmetric() -> None:
    for arch in load_space("ascan").sample(50, np.random.default_rng(0)):
        layout = _layout(arch)
        assert all(re.fullmatch("C+T*", stage) for stage in layout), layout
        attention = [stage.count("T") for stage in layout]
        assert attention == sorted(attention)
        assert attention == [arch[f"attentions.s{i}"] for i in range(1, 5)]


def test_less_attention_after_more_is_refused() -> None:
    space = load_space("ascan")
    genes = {**dict(space.smallest().genes), "attentions.s2": 2, "attentions.s3": 2, "attentions.s4": 1}
    with pytest.raises(InvalidArchError, match=r"attentions\.s4.*cannot be 1 while 'attentions\.s3' is 2"):
        space.arch(**genes)


def test_the_smallest_has_no_attention_and_the_largest_the_most() -> None:
    space = load_space("ascan")
    assert _layout(space.smallest()) == ["CC", "CC", "CC", "C"]
    assert _layout(space.largest()) == ["CCC", "CCCCTT", "CCCCCCTTTTTT", "CCTTTTTT"]
    assert count(space.lower(space.smallest())).macs < count(space.lower(space.largest())).macs / 10


def test_a_fused_block_counts_by_arithmetic() -> None:
    space = load_space("ascan")
    spec = next(s for s in space.lowering.specs if s.kind == "fused_mbconv")
    (width, side, _), hidden, squeeze = spec.in_shape, spec["hidden"], spec["squeeze"]
    excitation = 2 * hidden * squeeze
    found = count_layer(spec)
    assert found.num_params == 10 * width * hidden + 2 * hidden + 2 * width + excitation + hidden + squeeze
    assert found.macs == side**2 * 10 * width * hidden + excitation


def test_images_that_leave_a_single_place_are_refused() -> None:
    with pytest.raises(SpaceError, match=r"side 32 leaves a single place.*33 or more"):
        load_space("ascan", Task(image_size=32)).lowering  # noqa: B018
