"""What competes: the arch that the time can train, and others beside it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.automation.candidates import fitting
from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import ENOUGH_STEPS, at_the_limits
from vitnas.automation.candidates.pace import Pace
from vitnas.automation.proposing import propose, spaces_for
from vitnas.search_spaces import Task
from vitnas.supernets.counting.counts import count


def rng():
    return np.random.default_rng(0)


@pytest.fixture
def even_pace(monkeypatch):
    """Steps cost what their MACs say, so that no other work on this machine decides which archs are near."""

    def pace(space, arch, batch_size, device):
        return Pace(1e-9 * count(space.lower(arch)).macs * batch_size, False)

    monkeypatch.setattr(fitting, "measure_pace", pace)
    fitting.paced.cache_clear()
    yield
    fitting.paced.cache_clear()


def test_a_network_is_no_larger_than_the_time_can_train(even_pace):
    clock = Clock({"iphone12": 5.0})
    found = at_the_limits(("autoformer-mini",), Task(8, 10, 1), clock, lambda text: None)
    step_s = found[0].pace.step_s
    [plenty] = propose(found, 2 * step_s * ENOUGH_STEPS, 1, clock, rng())
    [little] = propose(found, 0.1 * step_s * ENOUGH_STEPS, 1, clock, rng())
    assert plenty == found[0]
    assert count(little.space.lower(little.placed.arch)).macs < count(plenty.space.lower(plenty.placed.arch)).macs


def test_candidates_near_the_first_differ_in_learning_rate_shape_or_cost(even_pace):
    clock = Clock({"iphone12": 5.0})
    found = at_the_limits(("autoformer-mini",), Task(8, 10, 1), clock, lambda text: None)
    seconds = 0.3 * found[0].pace.step_s * ENOUGH_STEPS
    candidates = propose(found, seconds, 5, clock, rng())
    first, rate, shape, half, other = candidates
    assert (rate.placed, rate.learning_rate) == (first.placed, 2 * first.learning_rate)
    for one in (shape, other):
        assert one.placed.arch != first.placed.arch
        assert one.macs == pytest.approx(first.macs, rel=0.05)
        assert one.placed.share <= 1
    assert shape.placed.arch != other.placed.arch
    assert half.macs == pytest.approx(0.5 * first.macs, rel=0.25)
    assert propose(found, seconds, 3, clock, rng()) == candidates[:3]


def test_the_likelier_a_space_the_more_of_its_archs_compete(even_pace):
    clock = Clock({"iphone12": 5.0})
    names = ("autoformer-mini", "matformer-tiny", "deit")
    found = at_the_limits(names, Task(32, 10, 1), clock, lambda text: None)
    candidates = propose(found, 1e9, 6, clock, rng())
    assert [fit.space.name for fit in candidates] == [names[i] for i in (0, 1, 0, 2, 1, 0)]


@given(st.integers(1, 200))
def test_as_many_spaces_are_looked_at_as_candidates_come_from(candidates):
    spaces = spaces_for(candidates)
    assert spaces * (spaces - 1) / 2 < candidates <= spaces * (spaces + 1) / 2
