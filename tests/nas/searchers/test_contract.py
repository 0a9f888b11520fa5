"""What every registered searcher must do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.nas.problem import BIG, SMALL, TINY, accuracy, latency
from vitnas.errors import SearchError
from vitnas.nas.limits import Limits
from vitnas.nas.searchers import SEARCHERS, Problem, Searcher

OBJECTIVES = ("accuracy", "latency_ms")
SLOW = ("gp", "growth")


def make(name, space, most_ms=None, seed=0, population=20) -> Searcher:
    costs = {"latency_ms": latency(space)}
    limits = Limits(space, costs, {} if most_ms is None else {"latency_ms": most_ms})
    problem = Problem(space, limits, OBJECTIVES, costs, accuracy)
    return SEARCHERS.load(name).solving(problem, seed, population)


def judge(space, codes):
    return np.stack([-accuracy(codes), latency(space)(codes)], axis=1)


def walk(searcher, rounds=6, n=20):
    found = []
    for _ in range(rounds):
        codes = searcher.ask(n)
        found.append(codes)
        searcher.tell(codes, judge(searcher.space, codes))
    return np.concatenate(found)


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SEARCHERS])
def name(request):
    return request.param


def test_stays_in_the_space_and_the_limits_and_never_repeats(name):
    most = float(np.quantile(latency(SMALL)(SMALL.genome.enumerate()), 0.4))
    codes = walk(make(name, SMALL, most))
    assert codes.dtype == np.int16
    assert len(codes) == 120
    assert SMALL.genome.valid(codes).all()
    assert (latency(SMALL)(codes) <= most).all()
    assert len(np.unique(codes, axis=0)) == 120
    assert len(set(SMALL.decode(codes))) == 120  # canonical: no two codes are one arch


def test_finds_all_of_a_small_limited_space_and_then_nothing(name):
    every = TINY.genome.enumerate()
    most = float(np.median(latency(TINY)(every)))
    feasible = every[latency(TINY)(every) <= most]
    searcher = make(name, TINY, most, population=6)
    found = walk(searcher, rounds=8, n=7)
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(feasible, axis=0))
    assert len(found) == len(feasible)
    assert searcher.ask(5).shape == (0, len(TINY.columns))


def test_ends_where_only_one_arch_of_a_large_space_is_allowed(name):
    if name == "exhaustive":
        pytest.skip("refuses large spaces")
    searcher = make(name, BIG, float(latency(BIG)(BIG.encode([BIG.smallest()]))[0]))
    assert BIG.decode(walk(searcher, rounds=3)) == [BIG.smallest()]


def test_what_was_told_is_not_asked(name):
    searcher = make(name, TINY, population=6)
    known = TINY.genome.enumerate()[:10]
    searcher.tell(known, judge(TINY, known))
    found = walk(searcher, rounds=5, n=6)
    assert len(found) == 14
    assert not (found[:, None] == known[None]).all(axis=2).any()


def test_seed_decides(name):
    first, again = (walk(make(name, SMALL, seed=3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    if name != "exhaustive":
        assert (walk(make(name, SMALL, seed=4)) != first).any()


def test_same_archs_in_another_process(name):
    program = (
        "import numpy as np, runpy, sys; sys.path.insert(0, '.')\n"
        "from tests.nas.searchers.test_contract import *\n"
        f"print(walk(make({name!r}, SMALL, seed=3)).tolist())"
    )
    done = [
        subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert done[0] == done[1] == f"{walk(make(name, SMALL, seed=3)).tolist()}\n"


def test_bad_calls_are_refused(name):
    searcher = make(name, SMALL)
    codes = searcher.ask(4)
    for bad in (np.full((4, 2), np.nan), np.zeros((3, 2)), np.zeros(4)):
        with pytest.raises(SearchError, match="finite objectives"):
            searcher.tell(codes, bad)
    with pytest.raises(SearchError, match="at least one"):
        searcher.ask(0)
    with pytest.raises(SearchError, match="population of 1"):
        make(name, SMALL, population=1)


def test_one_and_three_objectives(name):
    if name == "linas":
        pytest.skip("its objectives are named when it is made")
    for k in (1, 3):
        searcher = make(name, SMALL)
        for _ in range(4):
            codes = searcher.ask(20)
            searcher.tell(codes, np.stack([codes.sum(axis=1) * (-1.0) ** i for i in range(k)], axis=1))


def test_asking_for_more_than_a_population(name):
    searcher = make(name, SMALL, population=8)
    codes = searcher.ask(50)
    searcher.tell(codes, judge(SMALL, codes))
    assert len(searcher.ask(3)) == 3
    assert len(searcher.ask(60)) == 60
