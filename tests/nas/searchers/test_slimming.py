from __future__ import annotations

from itertools import pairwise

import numpy as np

from tests.nas.problem import BIG, SMALL, accuracy, kept, latency, posed
from vitnas.nas.searchers.slimming import Slimming, slim
from vitnas.nas.settings import SearchSettings


def test_adjacent_steps_go_one_choice_at_a_time():
    start = BIG.encode([BIG.largest()])[0]
    path = slim(BIG, start, kept(BIG), latency(BIG), adjacent=True)
    for before, after in pairwise(path):
        both = (before >= 0) & (after >= 0)
        assert np.abs(after - before)[both].sum() <= 1
    assert (np.diff(latency(BIG)(path)) < 0).all()
    far = slim(BIG, start, kept(BIG), latency(BIG))
    assert len(path) > len(far)


def test_adjacent_archs_are_the_neighbours_that_differ_by_one_choice():
    for row in SMALL.genome.sample(20, np.random.default_rng(0)):
        near, every = SMALL.genome.adjacent(row), SMALL.genome.neighbours(row)
        steps = np.where((row >= 0) & (every >= 0), np.abs(every - row), 0).sum(axis=1)
        wanted = every[steps <= 1]
        assert {r.tobytes() for r in near} == {r.tobytes() for r in wanted}


def test_the_searcher_takes_either_step():
    problem = posed(BIG, SearchSettings(), importance=accuracy)
    far, near = Slimming(problem, 0).ask(5), Slimming(problem, 0, adjacent=True).ask(5)
    assert (far[0] == near[0]).all()
    assert (np.abs(near[1] - near[0])[near[1] >= 0].sum()) == 1
