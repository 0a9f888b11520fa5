"""The programme against a brute force over spaces with every kind of link between genes."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nas.problem import BIG, SMALL, kept, latency, posed
from vitnas.errors import SearchError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.programme import Programme
from vitnas.nas.settings import SearchSettings
from vitnas.search_spaces import Gene, LayerSpec, SearchSpace, Site, load_space
from vitnas.search_spaces.adding_up import site_values
from vitnas.search_spaces.site_values import SiteValues


@dataclass(frozen=True, eq=False)
class Linked(SearchSpace):
    """`per`, `when` and `at_least`, and sites that read one gene, several, or none."""

    def genes(self):
        return (
            Gene("depth", (1, 2, 3)),
            Gene("kind", ("a", "b"), per="depth"),
            Gene("window", (3, 5), per="depth", when=("kind", ("b",))),
            Gene("low", (1, 2, 4)),
            Gene("high", (1, 2, 4), at_least="low"),
        )

    def sites(self):
        def layer(name, *values):
            return LayerSpec.of(
                "feed_forward",
                (4, 8),
                (4, 8),
                hidden=1,
                name=name,
                **{f"v{i}": v for i, v in enumerate(values)},
            )

        yield Site("stem", (), lambda: layer("stem"))
        for i in range(3):
            yield Site(f"plain{i}", (f"kind[{i}]", "low"), lambda k, w, i=i: layer("plain", k, w) if k == "a" else None)
            yield Site(f"windowed{i}", (f"kind[{i}]", f"window[{i}]"), lambda k, w, i=i: layer("windowed", w))
        yield Site("head", ("high", "low"), lambda h, w: layer("head", h, w))
        yield Site("gap", ("high",), lambda h: layer("gap", h) if h > 1 else None)


SPACE = Linked("linked")
EVERY = SPACE.genome.enumerate()


def tables(space, seed):
    rng = np.random.default_rng(seed)
    shape = SiteValues.zeros(space).shape
    return SiteValues(space, rng.normal(size=shape)), SiteValues(space, rng.random(shape))


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_no_arch_within_the_limits_is_better(seed, share):
    importance, cost = tables(SPACE, seed)
    _, other = tables(SPACE, seed + 1)
    costs = cost(EVERY)
    most = float(np.quantile(other(EVERY), 0.7))
    allowed = other(EVERY) <= most
    limit = float(np.quantile(costs[allowed], share))
    problem = Problem(
        SPACE, (), {"ms": cost, "mb": other}, {"ms": float(costs.max()), "mb": most}, importance=importance
    )
    row = Programme(problem, 0).best_below(limit)
    assert SPACE.genome.valid(row[None]).all()
    assert cost(row[None])[0] <= limit
    assert other(row[None])[0] <= most
    best = importance(EVERY)[allowed & (costs <= limit)].max()
    assert importance(row[None])[0] == pytest.approx(best, abs=1e-6)


def test_below_the_least_there_is_none():
    importance, cost = tables(SPACE, 3)
    programme = Programme(Problem(SPACE, (), {"ms": cost}, {}, importance=importance), 0)
    assert programme.best_below(float(cost(EVERY).min()) - 1e-3) is None


def solver_that(status, finds):
    """In place of SciPy's: what it solves, with another status, or without the solution."""
    from scipy.optimize import milp

    def solve(*args, **kwargs):
        found = milp(*args, **kwargs)
        return SimpleNamespace(x=found.x if finds else None, status=status, message="Time limit reached.")

    return solve


def test_a_solver_that_runs_out_of_time_proves_nothing(monkeypatch):
    importance, cost = tables(SPACE, 3)
    programme = Programme(Problem(SPACE, (), {"ms": cost}, {}, importance=importance), 0)
    best = programme.best_below(float(cost(EVERY).max()))
    monkeypatch.setattr("scipy.optimize.milp", solver_that(1, finds=True))
    with pytest.warns(UserWarning, match="stopped after 60 s at an arch of space 'linked' that may not be the best"):
        np.testing.assert_array_equal(programme.best_below(float(cost(EVERY).max())), best)
    monkeypatch.undo()
    monkeypatch.setattr("scipy.optimize.milp", solver_that(1, finds=False))
    with pytest.raises(SearchError, match="found no arch of space 'linked' in 60 s, and no proof that there is none"):
        programme.ask(1)


def test_a_limit_that_rounding_decides_says_nothing_of_smaller_ones(monkeypatch):
    importance, cost = tables(SPACE, 3)
    programme = Programme(Problem(SPACE, (), {"ms": cost}, {}, importance=importance), 0)
    keeps = Programme._keeps
    asked = []

    def not_the_first(self, row, limit):
        asked.append(limit)
        return limit != asked[0] and keeps(self, row, limit)

    monkeypatch.setattr(Programme, "_keeps", not_the_first)
    proposed = programme._propose(3)
    assert len(proposed) == 3
    assert (importance(proposed) <= importance(EVERY).max()).all()
    for row in proposed:
        own = cost(row[None])[0]
        assert importance(row[None])[0] == pytest.approx(importance(EVERY)[cost(EVERY) <= own].max(), abs=1e-6)


def test_what_is_asked_for_is_the_front_of_importance_and_cost():
    problem = posed(SMALL, SearchSettings(), importance=kept(SMALL))
    found = Programme(problem, 0).ask(12)
    every = SMALL.genome.enumerate()
    ms, value = latency(SMALL)(every), kept(SMALL)(every)
    for row in found:
        own = latency(SMALL)(row[None])[0]
        assert kept(SMALL)(row[None])[0] == pytest.approx(value[ms <= own].max(), abs=1e-6)
    spread = latency(SMALL)(found)
    assert spread.max() > 0.9 * ms.max()
    assert spread.min() == pytest.approx(ms.min())
    assert np.diff(np.sort(spread)).max() < 0.3 * np.ptp(ms)


def test_costs_of_layers_are_found_from_costs_of_archs():
    for space in (SPACE, BIG):
        _, cost = tables(space, 5)
        table, beside = site_values(space, "ms", lambda codes, cost=cost: np.maximum(cost(codes) + 7.0, 0.0))
        codes = space.genome.sample(300, np.random.default_rng(9))
        np.testing.assert_allclose(table(codes) + beside, cost(codes) + 7.0, atol=1e-5)


def test_what_does_not_add_up_is_refused_by_name():
    importance, cost = tables(SPACE, 3)
    peak = SPACE.lowering.peak(np.random.default_rng(0).random(len(SPACE.lowering.specs)))
    problem = Problem(SPACE, (), {"ms": cost, "memory": peak}, {"ms": 99.0, "memory": 1e9}, importance=importance)
    with pytest.raises(SearchError, match="'memory' of space 'linked' does not add up over layers"):
        Programme(problem, 0)


def test_without_importance_there_is_nothing_to_weigh():
    with pytest.raises(SearchError, match="train one with"):
        Programme(posed(SMALL, SearchSettings()), 0)


@pytest.mark.heavy
def test_a_space_of_the_size_of_deit_takes_seconds():
    space = load_space("autoformer-small")
    importance, cost = tables(space, 1)
    importance = SiteValues(space, np.sort(importance.table, axis=1))
    programme = Programme(Problem(space, (), {"ms": cost}, {}, importance=importance), 0)
    assert len(programme.ask(5)) == 5
