"""Token genes: golden counts of EViT, what archs mean, and which spaces are refused."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import numpy as np
import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import Arch, Blueprint, SearchSpace, Task, load_space
from vitnas.search_spaces.published.staged_vit import StagedViT
from vitnas.supernets.counting.counts import count

GOLDEN = {0.9: 4.0219, 0.8: 3.4772, 0.7: 3.0293, 0.6: 2.6353, 0.5: 2.3088}
"""Keep rate -> GMACs of DeiT-S with a fused token."""


ALONE = {"depth": 1, "heads": 3, "ratio": 2.0}
ONE_BLOCK = {"depth": 1, "heads": (3,), "ratio": (2.0,)}


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("staged-vit")


def tokens_of(blueprint: Blueprint) -> list[int]:
    """The tokens that each block leaves."""
    return [spec.out_shape[0] for spec in blueprint if spec.kind == "feed_forward"]


def a_block_each(**genes: object) -> dict[str, object]:
    stages = {f"{name}.s{stage}": value for stage in range(1, 5) for name, value in ONE_BLOCK.items()}
    return {"width": 192, **stages, **genes}


@pytest.mark.parametrize(("rate", "gmacs"), GOLDEN.items())
def test_evit_keeps_as_many_tokens_and_counts_as_published(space: SearchSpace, rate: float, gmacs: float) -> None:
    blueprint = space.lower(space.named(f"EViT-S {rate}"))
    left, expected = 197, [197] * 3
    for _ in range(3):
        left = 1 + ceil(rate * (left - 1)) + 1
        expected += [left] * 3
    assert tokens_of(blueprint) == expected
    assert count(blueprint).macs == pytest.approx(gmacs * 1e9, rel=1e-3)


def test_no_stage_has_more_tokens_than_the_one_before(space: SearchSpace) -> None:
    reducers = set()
    for arch in space.sample(200, np.random.default_rng(0)):
        left = tokens_of(space.lower(arch))
        assert left == sorted(left, reverse=True)
        assert (left[-1] < 197) == (arch["reducer"] != "none")
        reducers.add(arch["reducer"])
    assert reducers == {"window", "keep", "merge", "none"}


def test_a_reducer_is_a_choice_of_its_own(space: SearchSpace) -> None:
    kept = {"tokens.s2": 0.709, "tokens.s3": 0.505, "tokens.s4": 0.362}
    keep, merge = (space.lower(space.arch(**a_block_each(reducer=by, **kept))) for by in ("keep", "merge"))
    assert tokens_of(keep) == tokens_of(merge) == [197, 140, 100, 72]
    assert [spec["by"] for spec in keep if spec.kind == "reducing_attention"] == ["keep"] * 3
    assert [spec["by"] for spec in merge if spec.kind == "reducing_attention"] == ["merge"] * 3
    late = space.arch(**a_block_each(reducer="merge", **{"tokens.s2": 1.0, "tokens.s3": 1.0, "tokens.s4": 0.138}))
    assert tokens_of(space.lower(late)) == [197, 197, 197, 28]
    window = space.arch(**a_block_each(reducer="window", **{"grid.s2": 0.5, "grid.s3": 0.5, "grid.s4": 0.25}))
    blueprint = space.lower(window)
    assert tokens_of(blueprint) == [197, 99, 99, 50]
    merging = [(spec["columns"], spec["down"], spec["across"]) for spec in blueprint if spec.kind == "window_merging"]
    assert merging == [(14, 1, 2), (7, 2, 1)]


def test_one_network_has_one_arch(space: SearchSpace) -> None:
    """Where nothing is reduced no share is told, and no two archs are the same layers."""
    fixed = {f"{gene}.s{stage}": (own,) for stage in range(1, 5) for gene, own in ALONE.items()}
    small = space.restrict(width=(192,), **fixed)
    archs = small.decode(small.genome.enumerate())
    assert len({small.lower(arch) for arch in archs}) == len(archs) == small.genome.size()
    (plain,) = (arch for arch in archs if arch["reducer"] == "none")
    assert not any(name.startswith(("tokens", "grid")) for name, _ in plain.genes)


def test_a_space_may_have_one_reducer(space: SearchSpace) -> None:
    for reducer in ("window", "keep", "merge", "none"):
        alone = space.restrict(reducer=(reducer,))
        for arch in alone.sample(20, np.random.default_rng(1)):
            assert alone.lower(arch) == space.lower(Arch(space.name, arch.genes))


def test_odd_grids_have_no_windows() -> None:
    odd = load_space("staged-vit", Task(image_size=48))
    assert odd.lowering.specs
    assert {arch["reducer"] for arch in odd.sample(50, np.random.default_rng(0))} == {"keep", "merge", "none"}


def test_shares_that_mean_nothing_are_refused(space: SearchSpace) -> None:
    assert isinstance(space, StagedViT)
    with pytest.raises(SpaceError, match=r"grid has shares 1, 0.5, 0.25, ...; got 0.3"):
        replace(space, grid=((0.3,), (0.3,), (0.3,))).lowering  # noqa: B018
    with pytest.raises(SpaceError, match="tokens has shares above 0 up to 1 for each of the 3 stages after the first"):
        replace(space, tokens=((0.5,), (0.5,))).lowering  # noqa: B018
    with pytest.raises(SpaceError, match="grid of the last stage holds 1"):
        replace(space, grid=((1.0,), (1.0,), (0.5, 1.0))).lowering  # noqa: B018
    with pytest.raises(SpaceError, match="image size 100 is not a multiple of its patch size 16"):
        load_space("staged-vit", Task(image_size=100)).lowering  # noqa: B018
