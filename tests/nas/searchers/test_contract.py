"""What every registered searcher must do."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from tests.nas.problem import BIG, SMALL, TINY, accuracy, kept, latency, posed, true_front
from vitnas.errors import SearchError
from vitnas.nas.objectives import non_dominated
from vitnas.nas.searchers import SEARCHERS, Searcher
from vitnas.nas.settings import SearchSettings

OBJECTIVES = ("accuracy", "latency_ms")
SLOW = ("gp", "growth")
FIRST = 10
"""Results that `gp` needs before its model is asked."""


def make(name, space, most_ms=None, seed=0, population=20) -> Searcher:
    settings = SearchSettings(limits={} if most_ms is None else {"latency_ms": most_ms})
    importance = kept(space) if name == "programme" else accuracy  # which solves for what adds up
    return SEARCHERS.load(name)(posed(space, settings, importance=importance), seed, population)


def judge(space, codes):
    return np.stack([-accuracy(codes), latency(space)(codes)], axis=1)


def fewer(name, n):
    """How many archs to ask for once there are results: a searcher whose every proposal takes a second is asked for few."""
    return min(n, 3) if name in (*SLOW, "programme") else n


def walk(searcher, rounds=6, n=20):
    return walk_by(searcher, [n] * rounds)


def walk_by(searcher, numbers):
    found = []
    for n in numbers:
        codes = searcher.ask(n)
        found.append(codes)
        searcher.tell(codes, judge(searcher.space, codes))
    return np.concatenate(found)


@pytest.fixture(params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in SEARCHERS])
def name(request):
    return request.param


def test_stays_in_the_space_and_the_limits_and_never_repeats(name):
    most = float(np.quantile(latency(SMALL)(SMALL.genome.enumerate()), 0.4))
    rounds = 1 if name in SLOW else 3
    codes = walk(make(name, SMALL, most), rounds)
    assert codes.dtype == np.int16
    assert len(codes) == 20 * rounds
    assert SMALL.genome.valid(codes).all()
    assert (latency(SMALL)(codes) <= most).all()
    assert len(np.unique(codes, axis=0)) == len(codes)
    assert len(set(SMALL.decode(codes))) == len(codes)  # canonical: no two codes are one arch


def test_finds_all_of_a_small_limited_space_and_then_nothing(name):
    every = TINY.genome.enumerate()
    most = float(np.median(latency(TINY)(every)))
    feasible = every[latency(TINY)(every) <= most]
    searcher = make(name, TINY, most, population=6)
    found = walk(searcher, rounds=fewer(name, 8), n=7)
    np.testing.assert_array_equal(np.unique(found, axis=0), np.unique(feasible, axis=0))
    assert len(found) == len(feasible)
    best = found[non_dominated(judge(TINY, found))]
    assert {arch.id for arch in TINY.decode(best)} == set(true_front(TINY, most))
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
    found = walk(searcher, rounds=fewer(name, 5), n=6)
    assert len(found) == 14
    assert not (found[:, None] == known[None]).all(axis=2).any()


def short(name, seed):
    return walk_by(make(name, SMALL, seed=seed, population=8), [FIRST, fewer(name, 10)])


def test_seed_decides(name):
    first, again = (short(name, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    if name not in ("exhaustive", "slimming", "growth", "programme"):  # which begin at an end of the space
        assert (short(name, seed=4) != first).any()


def test_goes_on_where_it_was_when_told_again(name):
    """A search that was killed asks again for what it knows the results of, and tells them from its records."""
    one, again = (make(name, SMALL, seed=5, population=8) for _ in range(2))
    records, numbers = {}, (12, fewer(name, 12))
    for n in numbers:
        codes = one.ask(n)
        for row, values in zip(codes, judge(SMALL, codes), strict=True):
            records[row.tobytes()] = values
        one.tell(codes, judge(SMALL, codes))
    for n in numbers:
        codes = again.ask(n)
        again.tell(codes, np.stack([records.pop(row.tobytes()) for row in codes]))
    assert not records
    np.testing.assert_array_equal(again.ask(fewer(name, 6)), one.ask(fewer(name, 6)))


def test_same_archs_in_another_process():
    names = [n for n in SEARCHERS if n not in SLOW]
    program = (
        "import numpy as np, runpy, sys; sys.path.insert(0, '.')\n"
        "from tests.nas.searchers.test_contract import *\n"
        f"print([short(n, seed=3).tolist() for n in {names!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        # Sets and dicts of this process have another order, and sums of its linear algebra other last digits.
        env={"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_CORETYPE": "Prescott"},
    )
    assert done.stdout == f"{[short(n, seed=3).tolist() for n in names]}\n"


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
        for n in (20, fewer(name, 20)):
            codes = searcher.ask(n)
            searcher.tell(codes, np.stack([codes.sum(axis=1) * (-1.0) ** i for i in range(k)], axis=1))


def test_asking_for_more_than_a_population(name):
    searcher = make(name, SMALL, population=8)
    first, then = (12, 10) if name in SLOW else (50, 60)
    codes = searcher.ask(first)
    searcher.tell(codes, judge(SMALL, codes))
    assert len(searcher.ask(3)) == 3
    assert len(searcher.ask(then)) == then
