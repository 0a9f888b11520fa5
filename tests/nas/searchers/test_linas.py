from __future__ import annotations

import numpy as np
import pytest

from tests.nas.problem import BIG, SMALL, accuracy, latency
from tests.nas.searchers.test_contract import judge, make, walk
from vitnas.nas.objectives import non_dominated, objectives_named
from vitnas.nas.pareto.hypervolume import hypervolume, reference_point
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.linas import Linas
from vitnas.nas.searchers.regularised import RegularisedEvolution
from vitnas.predictors import Predictor


@pytest.mark.heavy
def test_needs_fewer_evaluations_than_evolution_alone():
    space = BIG.restrict(depth=(3, 4))  # 21,870 archs
    truth = judge(space, space.genome.enumerate())
    reference = reference_point(truth)
    volumes = {
        name: [
            hypervolume(judge(space, walk(make(name, space, seed=seed), rounds=6, n=20)), reference)
            / hypervolume(truth, reference)
            for seed in range(2)
        ]
        for name in ("linas", "nsga2")
    }
    assert min(volumes["linas"]) > 0.975
    assert min(volumes["linas"]) > max(volumes["nsga2"])


@pytest.mark.heavy
def test_finds_the_exact_front_of_what_its_predictor_can_say():
    """A sum over genes is what a ridge learns from a few dozen archs."""
    codes = SMALL.genome.enumerate()
    weights = np.random.default_rng(1).random(codes.shape[1])

    def values(codes):
        return np.stack([-(np.maximum(codes, 0) * weights).sum(axis=1), latency(SMALL)(codes)], axis=1)

    truth = values(codes)[non_dominated(values(codes))]
    searcher = make("linas", SMALL, seed=2)
    found = []
    for _ in range(10):
        asked = searcher.ask(20)
        found.append(values(asked))
        searcher.tell(asked, found[-1])
    seen = np.concatenate(found)
    assert len(truth) > 10
    assert all((np.abs(seen - row) < 1e-9).all(axis=1).any() for row in truth)


class Blind(Predictor):
    """Expects the same of every arch."""

    name = "blind"

    def _fit(self, codes, scores):
        pass

    def _predict(self, codes):
        return np.zeros(len(codes)), np.zeros(len(codes))

    def _state(self):
        return {}

    def _restore(self, arrays):
        pass


def test_it_goes_on_where_its_predictor_sees_nothing():
    def best(share):
        problem = Problem(BIG, objectives_named(["accuracy"]))
        searcher = Linas(problem, 0, 20, predictor=Blind, generations=2, mutants=share)
        seen = []
        for _ in range(15):
            asked = searcher.ask(20)
            seen.append(accuracy(asked))
            searcher.tell(asked, -seen[-1][:, None])
        return np.concatenate(seen).max()

    assert best(0.2) > best(0.0)


@pytest.mark.heavy
def test_one_objective_that_is_maximised_below_a_limit():
    """The best arch of all within the limit, with another inner searcher."""
    costs = {"latency_ms": latency(SMALL)}
    codes = SMALL.genome.enumerate()
    most = float(np.quantile(costs["latency_ms"](codes), 0.5))
    best = accuracy(codes[costs["latency_ms"](codes) <= most]).max()
    problem = Problem(SMALL, objectives_named(["accuracy"]), costs, {"latency_ms": most})
    searcher = Linas(problem, 0, 20, inner=RegularisedEvolution, generations=20)
    seen = []
    for _ in range(10):
        asked = searcher.ask(20)
        seen.append(accuracy(asked))
        searcher.tell(asked, -seen[-1][:, None])
    assert np.concatenate(seen).max() == best
