"""Archs at a limit: all genes in step, and at random."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.scaling import NEAR, at_random, largest_uniform
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.uniform import uniform_line


@pytest.fixture(scope="module")
def space():
    return load_space("autoformer-mini", Task(32, 10, 3))


def test_the_line_goes_from_the_smallest_to_the_largest_and_never_down(space):
    line = uniform_line(space)
    assert (line[0], line[-1]) == (space.smallest(), space.largest())
    codes = space.encode(line)
    assert (np.diff(codes, axis=0) >= 0).all()
    assert len(set(line)) == len(line)


def test_the_largest_uniform_arch_keeps_the_limit_and_the_next_but_few_does_not(space):
    ends = Clock({"iphone12": 1.0}).ms(space, [space.smallest(), space.largest()])
    low, high = (ms["iphone12"] for ms in ends)
    clock = Clock({"iphone12": (low + high) / 2})
    found = largest_uniform(space, clock)
    assert found is not None
    assert found.share <= 1
    line = uniform_line(space)
    shares = [clock.share(ms) for ms in clock.ms(space, line)]
    best = max(share for share in shares if share <= 1)
    assert found.share >= min(NEAR, best)


def test_no_arch_is_found_below_the_smallest(space):
    [ms] = Clock({"iphone12": 1.0}).ms(space, [space.smallest()])
    assert largest_uniform(space, Clock({"iphone12": 0.9 * ms["iphone12"]})) is None


def test_of_several_limits_all_are_kept(space):
    clock = Clock({"iphone12": 100.0, "i7-12700h": 1e-6})
    assert largest_uniform(space, clock) is None


def test_random_archs_lie_at_the_limit(space):
    ends = Clock({"iphone12": 1.0}).ms(space, [space.smallest(), space.largest()])
    clock = Clock({"iphone12": sum(ms["iphone12"] for ms in ends) / 2})
    like = largest_uniform(space, clock)
    assert like is not None
    found = at_random(space, clock, like.arch, 4, np.random.default_rng(0))
    assert len(found) == 4
    assert all(NEAR - 0.08 <= one.share <= 1 for one in found)
    assert found == at_random(space, clock, like.arch, 4, np.random.default_rng(0))


def test_what_was_timed_is_kept(space, tmp_path):
    clock = Clock({"iphone12": 1.0}, tmp_path / "latencies.json")
    before = clock.ms(space, [space.smallest()])
    again = Clock({"iphone12": 2.0}, tmp_path / "latencies.json")
    again.devices.clear()  # there is no device left to time on
    again.devices["iphone12"] = None  # type: ignore[assignment]
    assert again.ms(space, [space.smallest()]) == before
