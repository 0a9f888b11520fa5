from __future__ import annotations

import numpy as np
import pytest

from vitnas.errors import SearchError
from vitnas.nas.execution.executor import Outcome, SerialExecutor
from vitnas.nas.problem import Problem
from vitnas.nas.scores.training_free import LEAST, REFERENCE, ProxyScores, TolerantProxyScores, TrainingFree, _usable
from vitnas.predictors.proxies.scoring import score_archs
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.counting.population import PopulationCounter

SPACE = load_space("autoformer-mini", Task(8, 10, 1))


RNG = np.random.default_rng(4)


def cost(codes):
    return PopulationCounter(SPACE)(codes).num_params


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("score")


@pytest.fixture(scope="module")
def score(folder):
    return TrainingFree.of(
        Problem(SPACE, (), {"num_params": cost}), folder / "reference.json", SerialExecutor(), 0, print
    )


@pytest.mark.heavy
def test_the_score_is_the_place_among_the_reference_archs_and_each_proxy_stands_beside_it(score):
    (arch,) = SPACE.sample(1, np.random.default_rng(9))
    others = [a for a in score.reference if a != arch]
    exact = score_archs(SPACE, [*others, arch], ["aggregate"], 0)
    assert score(arch) == {"score": exact["aggregate"][-1], **{n: v[-1] for n, v in exact.items() if n != "aggregate"}}


def test_reference_archs_reach_from_the_smallest_to_the_largest(score):
    sizes = [found["params"] for found in score.reference.values()]
    counts = cost(SPACE.encode([SPACE.smallest(), SPACE.largest()]))
    assert (min(sizes), max(sizes)) == (counts[0], counts[1])
    assert len(sizes) == REFERENCE


def test_larger_networks_score_higher_and_the_same_arch_the_same(score):
    assert score(SPACE.largest())["score"] > score(SPACE.smallest())["score"]
    assert score(SPACE.smallest()) == score(SPACE.smallest())
    assert ProxyScores(SPACE, ("dss",), 0)(SPACE.smallest()) != ProxyScores(SPACE, ("dss",), 1)(SPACE.smallest())
    assert score(SPACE.largest())["score"] == pytest.approx(1 - 1 / REFERENCE)  # better than all others


def test_the_reference_is_made_once(score, folder):
    class Nobody(SerialExecutor):
        def as_completed(self, function, items):
            raise AssertionError("scored again")

    again = TrainingFree.of(Problem(SPACE, (), {"num_params": cost}), folder / "reference.json", Nobody(), 0, print)
    assert again == score
    other = SPACE.restrict(depth=(3,))
    fewer = Problem(other, (), {"num_params": lambda c: PopulationCounter(other)(c).num_params})
    with pytest.raises(AssertionError, match="scored again"):  # another space
        TrainingFree.of(fewer, folder / "reference.json", Nobody(), 0, print)
    most = {"num_params": float(np.median(cost(SPACE.genome.sample(99, RNG))))}
    half = Problem(SPACE, (), {"num_params": cost}, most)
    with pytest.raises(AssertionError, match="scored again"):  # other limits
        TrainingFree.of(half, folder / "reference.json", Nobody(), 0, print)


def test_a_proxy_that_fails_is_left_out_and_told():
    archs = [SPACE.smallest(), SPACE.largest()]
    names = tuple(f"p{i}" for i in range(LEAST + 1))
    tried = [dict.fromkeys(names, 1.0), {**dict.fromkeys(names, 2.0), "p0": "not here"}]
    outcomes = [Outcome(each, None, 0.1, 1) for each in tried]
    said = []
    known = _usable(SPACE, archs, outcomes, said.append)
    assert known == {archs[0]: dict.fromkeys(names[1:], 1.0), archs[1]: dict.fromkeys(names[1:], 2.0)}
    assert "proxy 'p0' is left out of the score, as it fails in this space: not here" in said[0]
    tried[0]["p1"] = "nor here"
    with pytest.raises(SearchError, match=f"only {LEAST - 1} of {LEAST + 1} proxies work; train a supernet"):
        _usable(SPACE, archs, outcomes, said.append)


def test_each_proxy_alone_where_one_fails():
    names = ("params", "no-such-proxy")
    found = TolerantProxyScores(SPACE, names, 0)(SPACE.smallest())
    assert isinstance(found["params"], float)
    assert "no-such-proxy" in found["no-such-proxy"]
