"""The samplers that draw a budget first: resource-constrained and Pareto-aware."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.search_spaces import SearchSpace, Task, load_space
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.training.samplers.constrained import Constrained
from vitnas.supernets.training.samplers.pareto import Pareto


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-mini").restrict(depth=(3, 4))


def macs(space: SearchSpace, sampler: Constrained, steps: int) -> np.ndarray:
    archs = [sampler.plan(step)[0].arch for step in range(steps)]
    return np.asarray(PopulationCounter(space)(space.encode(archs)).macs)


def test_budgets_follow_the_macs_of_all_archs(space: SearchSpace) -> None:
    every = np.sort(PopulationCounter(space)(space.genome.enumerate()).macs)
    drawn = macs(space, Constrained(space, 0), 1500)
    marks = np.quantile(every, np.linspace(0.1, 0.9, 9))
    assert (drawn[:, None] <= marks).mean(axis=0) == pytest.approx(np.linspace(0.1, 0.9, 9), abs=0.05)


def test_even_budgets_come_equally_often(space: SearchSpace) -> None:
    drawn = macs(space, Constrained(space, 0, groups=5, budgets="even"), 2000)
    ends = PopulationCounter(space)(space.encode([space.smallest(), space.largest()])).macs
    assert np.histogram(drawn, np.linspace(*ends, 6))[0] / 2000 == pytest.approx([0.2] * 5, abs=0.05)


def test_stitched_networks_fall_into_a_group_for_every_number_of_stretches() -> None:
    """As the released code of SN-Net V2 groups them: the two networks by themselves, all routes of one cost together."""
    space = load_space("stitch:deit/DeiT-S+deit/DeiT-B", Task(32, 10))
    bands = Constrained(space, 0, budgets="even").budgets.bands
    assert [len(np.unique(band.codes)) for band in bands] == [1, *[12] * 11, 1]
    assert len(np.unique(np.concatenate([band.codes for band in bands]))) == 134


def test_ranks_spend_the_same_budget_on_archs_of_their_own(space: SearchSpace) -> None:
    sampler = Constrained(space, 0, groups=10)
    width = sampler.budgets.bands[0].high - sampler.budgets.bands[0].low
    pairs = [[sampler.plan(step, rank)[0].arch for rank in (0, 1)] for step in range(100)]
    costs = PopulationCounter(space)(space.encode([arch for pair in pairs for arch in pair])).macs.reshape(-1, 2)
    assert (np.abs(costs[:, 0] - costs[:, 1]) <= width).all()
    assert sum(one != other for one, other in pairs) > 90


@pytest.mark.parametrize("keep", ["best", "worst"])
def test_of_the_candidates_the_best_or_the_worst_is_trained(space: SearchSpace, keep: str) -> None:
    sampler = Pareto(space, 0, num_steps=100, keep=keep, label_share=0.0)  # type: ignore[arg-type]
    for step in range(10):
        losses = {arch: float(int(arch.id, 16) % 101) for arch in sampler.audition(step)}
        sampler.hear(step, losses)
        largest, smallest, *chosen = sampler.plan(step)
        assert (largest.arch, smallest.arch) == (space.largest(), space.smallest())
        assert [lesson.teachers for lesson in (largest, smallest, *chosen)] == [(), (0,), (0,), (0,)]
        pick = min if keep == "best" else max
        assert [losses[x.arch] for x in chosen] == [pick(map(losses.__getitem__, d)) for d in sampler.draws(step)]


def test_candidates_of_one_budget_cost_about_the_same(space: SearchSpace) -> None:
    sampler = Pareto(space, 0, num_steps=100, groups=10)
    width = sampler.budgets.bands[0].high - sampler.budgets.bands[0].low
    for step in range(10):
        for draws in sampler.draws(step):
            costs = PopulationCounter(space)(space.encode(draws)).macs
            assert np.ptp(costs) <= width
