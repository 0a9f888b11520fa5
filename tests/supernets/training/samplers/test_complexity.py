from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from vitnas.search_spaces import OFF, SearchSpace, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.training.samplers.bands import clamp, macs_of, minimum_codes, reach_of, widen
from vitnas.supernets.training.samplers.complexity import Complexity
from vitnas.supernets.training.samplers.gene_roles import is_numeric

PUBLISHED_LEVELS = tuple(1e6 * mega for mega in (100, 200, 300, 400, 500, 700, 900, 1200))


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-tiny")


@pytest.fixture(scope="module")
def sampler(space: SearchSpace) -> Complexity:
    return Complexity(space, 3, num_steps=1200, tabulated=300, label_share=0.25)


def test_the_walk_is_lazy_never_jumps_and_is_everywhere_equally_often(sampler: Complexity) -> None:
    levels = np.array([sampler.level(step) for step in range(60_000)])
    moves = np.diff(levels)
    assert set(moves) == {-1, 0, 1}
    inside = (levels[:-1] > 0) & (levels[:-1] < 7)
    assert np.bincount(moves[inside] + 1) / inside.sum() == pytest.approx(1 / 3, abs=0.02)
    for end, inwards in ((0, 1), (7, -1)):
        leaving = moves[levels[:-1] == end]
        assert set(leaving) == {0, inwards}
        assert (leaving == 0).mean() == pytest.approx(2 / 3, abs=0.03)
    assert np.bincount(levels, minlength=8) / len(levels) == pytest.approx(1 / 8, abs=0.04)
    assert [sampler.level(step) for step in (59_999, 5, 2048)] == [levels[59_999], levels[5], levels[2048]]


def test_every_random_arch_of_a_step_is_in_its_band_by_the_counts_of_its_layers(
    space: SearchSpace, sampler: Complexity
) -> None:
    for step in range(0, 3000, 200):
        *others, pupil = sampler.plan(step)
        band = sampler.bands[sampler.level(step)]
        costs = [count(space.lower(lesson.arch)).macs for lesson in others]
        assert all(band.low <= cost <= band.high for cost in costs)
        assert band.high <= 1.05 * band.low + 1
        assert count(space.lower(pupil.arch)).macs <= band.low


def test_levels_reach_from_the_least_to_the_most_in_equal_ratios(space: SearchSpace, sampler: Complexity) -> None:
    ends = [count(space.lower(arch)).macs for arch in (space.smallest(), space.largest())]
    lows = np.array([band.low for band in sampler.bands])
    assert (sampler.bands[0].low, sampler.bands[-1].high) == tuple(ends)
    assert lows[1:] / lows[:-1] == pytest.approx([(ends[1] / 1.05 / ends[0]) ** (1 / 7)] * 7)


def test_the_minimum_arch_learns_from_the_mean_of_the_others(sampler: Complexity) -> None:
    first, later = sampler.plan(299), sampler.plan(300)
    assert not any(lesson.teachers for lesson in first)
    assert [(lesson.teachers, lesson.loss) for lesson in later[:3]] == [((), "soft")] * 3
    assert (later[3].teachers, later[3].loss) == ((0, 1, 2), "alpha")


def test_minimum_archs_rise_together_and_bound_the_random_ones_from_below() -> None:
    space = load_space("deit")
    sampler = Complexity(space, 0, num_steps=100, tabulated=300)
    numeric = np.array([is_numeric(g) for c in space.columns for g in space.all_genes if g.name == c.gene])
    distinct = [row for i, row in enumerate(sampler.minimums) if i == 0 or (row != sampler.minimums[i - 1]).any()]
    assert len(distinct) == 3
    np.testing.assert_array_equal(space.encode([space.smallest()])[0], distinct[0])
    for small, large in itertools.pairwise(distinct):
        both = (small != OFF) & (large != OFF)
        assert (small[both] <= large[both]).all()
    for band, floor in zip(sampler.bands, sampler.minimums, strict=True):
        # Independent of how the table was made: each amount that is on against the least that the floor has of its gene.
        for name in {column.gene for column in space.columns}:
            columns = [i for i, column in enumerate(space.columns) if column.gene == name and numeric[i]]
            least = min((floor[i] for i in columns if floor[i] != OFF), default=0)
            values = band.codes[:, columns]
            assert (values[values != OFF] >= least).all()
    floors = PopulationCounter(space)(np.array(sampler.minimums)).macs
    starts = [i for i in range(1, 8) if (sampler.minimums[i] != sampler.minimums[i - 1]).any()]
    assert starts == [3, 6]  # 8 levels in 3 groups
    assert all(0.2 * sampler.bands[i].low < floors[i] <= 0.55 * sampler.bands[i].low for i in starts)


def test_a_clamped_space_gives_codes_of_the_whole_one() -> None:
    space = load_space("deit")
    floor = minimum_codes(space, macs_of(space), reach_of(space, macs_of(space)).cheapest, [5e9])[0]
    part = clamp(space, floor)
    codes = part.genome.sample(200, np.random.default_rng(0))
    assert part.decode(codes) == space.decode(widen(codes, part, space))
    assert part.genome.size() < space.genome.size()


def test_bands_that_hold_one_arch_repeat_it_and_levels_between_archs_are_left_out() -> None:
    space = load_space("autoformer-mini").restrict(width=(48, 80), depth=(3,), heads=(2,), mlp_ratio=(2.0,))
    sampler = Complexity(space, 0, num_steps=100, levels=5, num_random=2)
    assert len(sampler.bands) == 2
    drawn = Counter(lesson.arch for step in range(50) for lesson in sampler.plan(step)[:2])
    assert set(drawn) == {space.smallest(), space.largest()}


@pytest.mark.slow
def test_the_published_levels_of_elasticvit() -> None:
    space = load_space("elasticvit")
    sampler = Complexity(space, 0, num_steps=100, levels=PUBLISHED_LEVELS, band_width=20e6)
    assert [band.low for band in sampler.bands] == list(PUBLISHED_LEVELS)
    for band in sampler.bands:
        macs = PopulationCounter(space)(band.codes).macs
        assert ((band.low <= macs) & (macs <= band.low + 20e6)).all()
        assert len(np.unique(band.codes, axis=0)) > 1000
    floors = PopulationCounter(space)(np.array(sampler.minimums)).macs / 1e6
    # The smallest is the published one for levels up to 200 million; the others are made by rule, three levels to each.
    assert floors[0] == pytest.approx(38.3, abs=0.1)
    assert len(set(floors)) == 3
    assert 0.3 * 400 < floors[3] <= 0.55 * 400
    assert 0.5 * 900 < floors[6] <= 0.55 * 900
