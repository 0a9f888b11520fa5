"""Archs that nobody searched for, beside a front."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.errors import SearchError
from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.unsearched import unsearched, weighed
from vitnas.search_spaces import load_space
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.counting.population import PopulationCounter

SPACE = load_space("autoformer-mini")


def problem(most: float) -> Problem:
    counter = PopulationCounter(SPACE)
    return Problem(SPACE, (), {"macs": lambda codes: counter(codes).macs}, {"macs": most})


def macs(archs):
    return PopulationCounter(SPACE)(SPACE.encode(list(archs))).macs


@pytest.mark.parametrize("share", [0.3, 1.0])
def test_they_keep_the_limits_and_go_up_to_them(share):
    most = float(share * macs([SPACE.largest()])[0])
    found = unsearched(problem(most), 4, seed=0)
    assert macs(found.values()).max() <= most
    uniform = [arch for name, arch in found.items() if name.startswith("uniform")]
    line = uniform_line(SPACE)
    allowed = [arch for arch, cost in zip(line, macs(line), strict=True) if cost <= most]
    assert len(uniform) == min(4, len(allowed))
    assert uniform[-1] == allowed[-1]
    assert sum(name.startswith("random") for name in found) == 4
    assert found == unsearched(problem(most), 4, seed=0)
    assert found != unsearched(problem(most), 4, seed=1)


def test_a_line_of_few_archs_gives_each_once():
    alone = SPACE.alone(SPACE.smallest())
    found = unsearched(Problem(alone, (), {}, {}), 3, seed=0)
    assert list(found.values()) == [SPACE.smallest()]


def test_the_line_grows_in_all_genes():
    codes = SPACE.encode(uniform_line(SPACE))
    on = (codes[1:] >= 0) & (codes[:-1] >= 0)
    assert (np.diff(codes, axis=0)[on] >= 0).all()


def test_without_a_cost_or_a_worth_nothing_can_be_compared():
    assert weighed(objectives_named(("accuracy", "latency_ms"))) == ("latency_ms", "accuracy", 1)
    assert weighed(objectives_named(("macs", "loss"))) == ("macs", "loss", -1)
    for names in (("latency_ms", "macs"), ("accuracy",)):
        with pytest.raises(SearchError, match="name a cost and one of these"):
            weighed(objectives_named(names))
