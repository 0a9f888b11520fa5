from __future__ import annotations

import numpy as np
import pytest

from tests.nas.problem import BIG, SMALL, accuracy, latency, posed
from vitnas.errors import SearchError
from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.growth import Growth
from vitnas.nas.settings import SearchSettings
from vitnas.search_spaces import load_space


def grower(space, most_ms, scores=None, seed=0):
    return Growth(posed(space, SearchSettings(limits={"latency_ms": most_ms})), seed, scores=scores)


def by_accuracy(space):
    return lambda archs: {"accuracy": accuracy(space.encode(archs))}


def test_grows_from_the_cheapest_to_the_limit():
    most = 3.0
    searcher = grower(BIG, most, by_accuracy(BIG))
    family = searcher.ask(3)
    costs = latency(BIG)(family)
    assert BIG.decode(family)[0] == BIG.smallest()
    assert (np.diff(costs) > 0).all()
    assert costs[-1] <= most
    rest = np.concatenate([searcher.ask(6) for _ in range(3)])
    assert (latency(BIG)(rest) <= most).all()


def test_follows_the_scores():
    best, worst = (
        grower(BIG, 3.5, lambda archs, sign=sign: {"a": sign * accuracy(BIG.encode(archs))}).ask(4)
        for sign in (1.0, -1.0)
    )
    assert accuracy(best)[1:].mean() > accuracy(worst)[1:].mean()


def test_needs_a_cost_and_something_that_grows():
    with pytest.raises(SearchError, match="without any cost"):
        Growth(Problem(SMALL, objectives_named(["accuracy"])), 0)
    space = load_space("autoformer-mini").restrict(width=(64,), depth=(4,))
    with pytest.raises(SearchError, match="nothing to grow"):
        grower(space, 10.0, by_accuracy(space)).ask(1)
