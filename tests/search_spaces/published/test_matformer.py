"""MatFormer's nested FFNs: mixes, their counts, and attention that is never cut."""

from __future__ import annotations

import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.search_spaces import load_space
from vitnas.supernets.counting.counts import count

FAMILIES = [("matformer-tiny", 192), ("matformer-small", 384), ("matformer-base", 768)]


@needs_oracle
@pytest.mark.parametrize(("name", "width"), FAMILIES)
def test_one_granularity_throughout_counts_as_deit_with_that_ffn(name: str, width: int) -> None:
    space = load_space(name)
    assert len(space.published()) == 4
    for label, ratio in zip(space.published(), (0.5, 1, 2, 4), strict=True):
        found = count(space.lower(space.named(label)))
        assert (found.num_params, found.macs) == closed_forms().vit(width, mlp=ratio)


def test_every_mix_is_an_arch_and_costs_what_its_blocks_cost() -> None:
    space = load_space("matformer-tiny")
    assert space.genome.size() == 4**12
    ratios = (0.5, 0.5, 0.5, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 4.0, 4.0, 4.0)
    mixed = count(space.lower(space.arch(width=192, depth=12, mlp_ratio=ratios, heads=(3,) * 12)))
    each = [count(space.lower(space.named(label))) for label in space.published()]
    assert 4 * mixed.num_params == sum(c.num_params for c in each)
    assert 4 * mixed.macs == sum(c.macs for c in each)


@pytest.mark.parametrize(("name", "width"), FAMILIES)
def test_only_ffns_differ(name: str, width: int) -> None:
    for site, specs in load_space(name).lowering.specs_at().items():
        nested = site.endswith("_ffn")
        assert len(specs) == (4 if nested else 1), site
        if nested:
            assert [spec["hidden"] for spec in specs] == [width // 2, width, 2 * width, 4 * width]
