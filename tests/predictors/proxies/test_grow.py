"""Automatic scaling: what a step may do, which one is taken, and where it ends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.stats import rankdata

from vitnas.errors import SearchError
from vitnas.predictors.proxies.grow import candidates, grow
from vitnas.search_spaces import Arch, Codes, load_space
from vitnas.supernets.counting.population import PopulationCounter

ASVIT = load_space("asvit")
MINI = load_space("autoformer-mini")


def params(space):
    counter = PopulationCounter(space)
    return lambda codes: counter(codes).num_params.astype(float)


def by(*genes):
    """Scores that are the values of genes."""
    return lambda archs: {gene: np.array([float(arch[gene]) for arch in archs]) for gene in genes}


def test_a_step_deepens_one_stage_or_none_and_widens_all():
    seed = ASVIT.named("As-ViT-seed")
    found = ASVIT.decode(candidates(ASVIT, ASVIT.encode([seed])[0]))
    assert len(found) == len(set(found)) == 5 * 5 - 1
    depths = [f"depth.s{i}" for i in (1, 2, 3, 4)]
    for arch in found:
        assert sum(arch[d] - seed[d] for d in depths) in (0, 1)
        assert all(arch[name] == value for name, value in seed.genes if name not in (*depths, "width"))
    assert {arch["width"] for arch in found} == {32, 48, 64, 88, 116}


def test_new_blocks_are_like_the_one_before():
    arch = MINI.arch(width=48, depth=3, mlp_ratio=(2.0, 3.0, 4.0), heads=(2, 3, 4))
    deeper = [a for a in MINI.decode(candidates(MINI, MINI.encode([arch])[0])) if a["depth"] == 4]
    assert {a["heads"] for a in deeper} == {(2, 3, 4, 4)}
    assert {a["mlp_ratio"] for a in deeper} == {(2.0, 3.0, 4.0, 4.0)}


def test_a_family_grows_up_to_its_budget():
    budget = 200e3
    family = grow(MINI, MINI.smallest(), budget, params(MINI), scores=by("depth", "width"))
    assert len(family) > 2
    costs = [member.cost for member in family]
    assert costs == sorted(set(costs))
    assert costs[-1] <= budget
    codes = MINI.encode([member.arch for member in family])
    np.testing.assert_array_equal(params(MINI)(codes), costs)
    left = params(MINI)(candidates(MINI, codes[-1]))
    assert (left > budget).all() or len(left) == 0
    for before, after in itertools.pairwise(codes):
        assert (candidates(MINI, before) == after).all(axis=1).any()


def test_each_step_takes_the_least_sum_of_ranks():
    steps: list[tuple[Codes, np.ndarray]] = []
    rng = np.random.default_rng(0)

    def noise(archs: list[Arch]) -> dict[str, np.ndarray]:
        found = {"a": rng.normal(size=len(archs)), "b": rng.normal(size=len(archs))}
        steps.append((MINI.encode(archs), rankdata(-found["a"]) + rankdata(-found["b"])))
        return found

    family = grow(MINI, MINI.smallest(), 1e9, params(MINI), scores=noise)
    assert family[-1].arch["width"] == 80
    assert len(steps) == len(family) - 1 > 2
    for (codes, ranks), member in zip(steps, family[1:], strict=True):
        row = MINI.encode([member.arch])[0]
        taken = int(np.flatnonzero((codes == row).all(axis=1))[0])
        assert ranks[taken] == ranks.min()


@pytest.mark.heavy
def test_proxies_themselves_grow_a_network_and_the_same_again():
    small = MINI.smallest()
    budget = 3 * float(params(MINI)(MINI.encode([small]))[0])
    family = grow(MINI, small, budget, params(MINI), ("naswot", "ntk"))
    assert len(family) > 2
    assert family[0].scores == {}
    assert set(family[-1].scores) == {"naswot", "ntk"}
    assert grow(MINI, small, budget, params(MINI), ("naswot", "ntk")) == family


def test_any_cost_is_a_budget():
    depth = lambda codes: 1.0 * codes[:, 1] + 0.1 * codes[:, 0]  # noqa: E731
    family = grow(MINI, MINI.smallest(), 2.15, depth, scores=by("depth"))
    assert family[-1].arch["depth"] == 5
    assert family[-1].cost <= 2.15


def test_a_seed_above_the_budget_is_refused():
    with pytest.raises(SearchError, match=r"costs .* already, over the budget of 1000; start smaller"):
        grow(MINI, MINI.smallest(), 1000, params(MINI))


def test_a_space_without_depth_or_width_is_refused():
    space = MINI.restrict(width=(48,), depth=(3,))
    with pytest.raises(SearchError, match="no gene named depth... or width..., so there is nothing to grow"):
        grow(space, space.smallest(), 1e9, params(space))
