"""TinyViT against closed formulas; its constrained down-scaling."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.search_spaces import Task
from vitnas.search_spaces.published.tinyvit import tinyvit
from vitnas.supernets.counting.counts import count


@needs_oracle
def test_random_archs_count_as_the_closed_form_says() -> None:
    space = tinyvit().restrict(mbconv_ratio=(4,), mlp_ratio=(4,))
    for arch in [space.smallest(), space.largest(), *space.sample(8, np.random.default_rng(0))]:
        widths, depths = ([arch[f"{gene}.s{s}"] for s in range(1, 5)] for gene in ("width", "depth"))
        heads = [width // 32 for width in widths]  # type: ignore[operator]
        windows = [0, *(arch[f"window.s{s}"] for s in range(2, 5))]
        found = count(space.lower(arch))
        assert (found.num_params, found.macs) == closed_forms().tinyvit(widths, heads, depths, windows)


@pytest.mark.parametrize(("side", "window"), [(224, 14), (64, 4)])
def test_a_window_larger_than_its_map_is_the_map(side: int, window: int) -> None:
    space = tinyvit(Task(image_size=side))
    blocks = space.lower(space.named("TinyViT-21M")).items()
    windows = {spec["window"] for site, spec in blocks if site.startswith("stage3") and spec.kind == "offset_attention"}
    assert windows == {window}


def test_contractions_take_one_factor_a_step_down() -> None:
    space = tinyvit()
    arch = space.named("TinyViT-21M")
    own, start = dict(arch.genes), count(space.lower(arch)).num_params
    smaller = space.contractions(arch)
    for other in smaller:
        changed = [name for name, value in other.genes if value != own[name]]
        assert len(changed) == 1
        assert other[changed[0]] < own[changed[0]]  # type: ignore[operator]
        assert count(space.lower(other)).num_params <= start
    # Widths, depths, the window of stage 3 and both ratios; windows of 7 and the head width are at their least.
    assert len(smaller) == len(set(smaller)) == 4 + 4 + 1 + 2


def test_the_least_arch_cannot_be_contracted() -> None:
    space = tinyvit()
    assert space.contractions(space.smallest()) == []
