"""The fast search of thresholds against trying all of them, and milliseconds that are sums over who comes where."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vitnas.nas.cascades.costs import milliseconds, reach
from vitnas.nas.cascades.thresholds import NEVER, Stages, cheapest


def stages(archs: int, images: int, seed: int, ties: bool = False) -> Stages:
    """Archs that get better, and scores that know something of who is right."""
    rng = np.random.default_rng(seed)
    right = rng.random((archs, images)) < np.linspace(0.5, 0.8, archs)[:, None]
    sure = np.clip(0.3 * right[:-1] + 0.7 * rng.random((archs - 1, images)), 0, 1)
    return Stages(np.round(sure, 1) if ties else sure, right, np.linspace(1.0, 2.0, archs))


def by_brute_force(found: Stages, least: float) -> float | None:
    """The least mean milliseconds of all thresholds there are."""
    best = None
    for values in itertools.product(*([NEVER, *np.unique(own)] for own in found.sure)):
        exits = found.exits(values)
        if found.accuracy(exits) >= least - 1e-12:
            ms = milliseconds(exits, found.parts_ms).expected
            best = ms if best is None else min(best, ms)
    return best


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("archs", "ties"), [(2, False), (2, True), (3, True)])
def test_the_cheapest_is_what_trying_all_finds(archs: int, ties: bool, seed: int) -> None:
    found = stages(archs, 24, seed, ties)
    for least in (0.5, 0.7, float(found.right[-1].mean())):
        expected, chosen = by_brute_force(found, least), cheapest(found, least, steps=100)
        assert (chosen is None) == (expected is None)
        if chosen is not None:
            exits = found.exits(chosen.values)
            assert chosen.mean_ms == pytest.approx(expected)
            assert (chosen.mean_ms, chosen.accuracy) == pytest.approx(
                (milliseconds(exits, found.parts_ms).expected, found.accuracy(exits))
            )


def test_an_accuracy_that_nothing_has_is_none() -> None:
    assert cheapest(stages(3, 30, 0), 1.01) is None


def test_few_steps_are_near_the_best_of_three_archs() -> None:
    found = stages(3, 400, 1)
    least = float(found.right[-1].mean()) - 0.01
    coarse, fine = (cheapest(found, least, steps=steps) for steps in (24, 401))
    assert coarse is not None
    assert fine is not None
    assert fine.mean_ms <= coarse.mean_ms <= 1.02 * fine.mean_ms


def test_expected_milliseconds_are_the_sum_over_parts_of_who_comes_there() -> None:
    found = stages(4, 500, 2)
    exits = found.exits((0.8, 0.8, 0.7))
    ms = milliseconds(exits, found.parts_ms)
    assert ms.expected == pytest.approx(float(np.dot(reach(exits, 4), found.parts_ms)))
    assert ms.worst == pytest.approx(found.parts_ms.sum())
    each = np.sort(np.cumsum(found.parts_ms)[exits])
    assert ms.p90 == each[int(np.ceil(0.9 * 500)) - 1]
    assert ms.expected <= ms.p90 <= ms.worst


def test_a_threshold_that_no_score_reaches_leaves_all_to_the_last() -> None:
    found = stages(3, 50, 3)
    assert (found.exits((NEVER, NEVER)) == 2).all()
    assert (found.exits((0.0, NEVER)) == 0).all()
