"""Archs in a band of a cost: inside it, varied, the same for a seed, and honest where there are none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from vitnas.errors import SearchError
from vitnas.search_spaces import Codes, load_space
from vitnas.search_spaces.cost_range import ENUMERABLE
from vitnas.search_spaces.cost_sampling import sample_near

BIG = load_space("autoformer-tiny")
SMALL = load_space("autoformer-mini").restrict(depth=(3, 4))
SIZES = np.array([float(np.prod(spec.in_shape)) for spec in BIG.lowering.specs])
COST = BIG.lowering.total(SIZES * np.arange(1, len(SIZES) + 1))
SUM = BIG.lowering.total(np.arange(len(SIZES)) % 97)


def small_cost(codes: Codes) -> NDArray[np.float64]:
    return 1.0 + np.maximum(codes, 0).sum(axis=1)


def test_the_spaces_are_of_both_kinds() -> None:
    assert SMALL.genome.size() <= ENUMERABLE < BIG.genome.size()


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.9, 0.98])
@pytest.mark.parametrize("breadth", [0.1, 0.01])
def test_a_band_anywhere_in_the_range(share: float, breadth: float) -> None:
    """Uniform samples lie in the middle of the range: the outer bands need the walks."""
    rng = np.random.default_rng(3)
    start = BIG.encode([BIG.smallest() if share < 0.5 else BIG.largest()])
    away = max(1, round(len(BIG.columns) * min(share, 1 - share)))
    for _ in range(away):  # an arch that far from the end shows that the band is not empty
        start = BIG.genome.mutate(start, rng, rate=0.0)
    least, most = COST(BIG.encode([BIG.smallest(), BIG.largest()]))
    low, high = COST(start)[0] + np.array([-0.5, 0.5]) * breadth * (most - least)
    codes = sample_near(BIG, COST, low, high, 100, np.random.default_rng(0))
    assert codes.shape == (100, len(BIG.columns))
    assert BIG.genome.valid(codes).all()
    assert ((COST(codes) >= low) & (COST(codes) <= high)).all()
    assert len(np.unique(codes, axis=0)) > (80 if breadth == 0.1 else 20)
    again = sample_near(BIG, COST, low, high, 100, np.random.default_rng(0))
    np.testing.assert_array_equal(codes, again)


def test_a_band_of_one_value() -> None:
    value = float(SUM(BIG.genome.sample(1, np.random.default_rng(5)))[0])
    codes = sample_near(BIG, SUM, value, value, 20, np.random.default_rng(0))
    assert (SUM(codes) == value).all()


def test_the_very_end_of_a_large_space() -> None:
    most = float(COST(BIG.encode([BIG.largest()]))[0])
    codes = sample_near(BIG, COST, most, most * 2, 5, np.random.default_rng(0))
    assert BIG.decode(codes) == [BIG.largest()] * 5


def test_every_arch_of_a_band_of_a_small_space_is_equally_likely() -> None:
    every = SMALL.genome.enumerate()
    inside = every[small_cost(every) == 3]
    codes = sample_near(SMALL, small_cost, 2.5, 3.5, 200 * len(inside), np.random.default_rng(0))
    found, counts = np.unique(codes, axis=0, return_counts=True)
    np.testing.assert_array_equal(found, np.unique(inside, axis=0))
    assert counts.min() > 130
    assert counts.max() < 280


def test_none_wanted() -> None:
    for space, cost in ((BIG, COST), (SMALL, small_cost)):
        assert sample_near(space, cost, 0, np.inf, 0, np.random.default_rng(0)).shape == (0, len(space.columns))


def test_what_cannot_be_reached_names_what_can() -> None:
    least, most = COST(BIG.encode([BIG.smallest(), BIG.largest()]))
    with pytest.raises(SearchError, match=r"'autoformer-tiny' with macs from 1 to 2: they reach from") as caught:
        sample_near(BIG, COST, 1, 2, 3, np.random.default_rng(0), "macs")
    assert f"from {least:.6g} to {most:.6g}; move the band" in str(caught.value)
    every = small_cost(SMALL.genome.enumerate())
    with pytest.raises(SearchError, match=re.escape(f"from {every.min():.6g} to {every.max():.6g}; widen the band")):
        sample_near(SMALL, small_cost, 3.2, 3.8, 3, np.random.default_rng(0))
    with pytest.raises(SearchError, match=r"band of cost from 3 to 2 is empty"):
        sample_near(SMALL, small_cost, 3, 2, 3, np.random.default_rng(0))
    with pytest.raises(SearchError, match="is empty"):
        sample_near(SMALL, small_cost, float("nan"), 2, 3, np.random.default_rng(0))
