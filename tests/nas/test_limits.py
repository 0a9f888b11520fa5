from __future__ import annotations

import numpy as np
import pytest

from tests.nas.problem import BIG, SMALL, latency
from vitnas.errors import SearchError
from vitnas.nas.limits import Limits

MS = latency(BIG)


def params(codes):
    return 1000.0 * (1 + np.maximum(codes, 0).sum(axis=1))


def test_reach_is_exact_in_a_small_space():
    every = latency(SMALL)(SMALL.genome.enumerate())
    reach = Limits(SMALL, {"latency_ms": latency(SMALL)}, {"latency_ms": 99}).reach["latency_ms"]
    assert (reach.least, reach.most, reach.exact) == (every.min(), every.max(), True)
    assert latency(SMALL)(np.stack([reach.cheapest, reach.costliest])).tolist() == [reach.least, reach.most]


def test_reach_of_a_large_space_are_its_ends():
    reach = Limits(BIG, {"latency_ms": MS}, {"latency_ms": 99}).reach["latency_ms"]
    ends = MS(BIG.encode([BIG.smallest(), BIG.largest()]))
    assert [reach.least, reach.most] == ends.tolist()
    assert not reach.exact


def test_reach_where_the_smallest_arch_is_not_the_cheapest():
    """Some devices run an odd size slower than a larger even one."""
    target = BIG.genome.sample(1, np.random.default_rng(9))[0]

    def odd(codes):
        return 1.0 + (codes != target).sum(axis=1)

    reach = Limits(BIG, {"latency_ms": odd}, {"latency_ms": 99}).reach["latency_ms"]
    assert reach.least == 1.0
    assert (reach.cheapest == target).all()


def test_infeasible_limit_names_everything():
    with pytest.raises(SearchError) as error:
        Limits(BIG, {"latency_ms": MS}, {"latency_ms": 0.01}, device="iphone12")
    least, most = MS(BIG.encode([BIG.smallest(), BIG.largest()]))
    for part in (
        "latency_ms <= 0.01",
        "'iphone12'",
        "'autoformer-mini'",
        f"{least:.6g} to {most:.6g}",
        "allow at least",
    ):
        assert part in str(error.value)
    allowed = float(str(error.value).rsplit(" ", 1)[1])
    Limits(BIG, {"latency_ms": MS}, {"latency_ms": allowed})  # what the message says works
    assert allowed < least * 1.001


def test_limits_that_contradict_each_other():
    def heads_off(codes):  # cheap where the other is dear
        return 10 - latency(SMALL)(codes)

    low = latency(SMALL)(SMALL.encode([SMALL.smallest()]))[0]
    costs = {"latency_ms": latency(SMALL), "energy_mj": heads_off}
    with pytest.raises(SearchError, match=r"keeps latency_ms <= .* and energy_mj <= .* together"):
        Limits(SMALL, costs, {"latency_ms": low * 1.01, "energy_mj": 7.0})


def test_unknown_quantity_and_bad_costs():
    with pytest.raises(SearchError, match="Did you mean 'latency_ms'"):
        Limits(BIG, {"latency_ms": MS}, {"latncy_ms": 1.0})
    with pytest.raises(SearchError, match="not a number"):
        Limits(BIG, {"latency_ms": MS}, {"latency_ms": float("nan")})
    with pytest.raises(SearchError, match="not finite"):
        Limits(BIG, {"latency_ms": lambda c: np.full(len(c), np.nan)}, {"latency_ms": 1.0})


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.8])
def test_repair_keeps_the_limit_and_what_kept_it_already(share):
    low, high = MS(BIG.encode([BIG.smallest(), BIG.largest()]))
    most = low + share * (high - low)
    limits = Limits(BIG, {"latency_ms": MS, "num_params": params}, {"latency_ms": most})
    rng = np.random.default_rng(0)
    codes = BIG.genome.sample(500, rng)
    fixed = limits.repair(codes, rng)
    assert limits.allow(fixed).all()
    assert BIG.genome.valid(fixed).all()
    np.testing.assert_array_equal(fixed[MS(codes) <= most], codes[MS(codes) <= most])
    if share == 0.3:  # it stops near the limit instead of falling to the smallest arch
        moved = MS(codes) > most
        assert MS(fixed)[moved].mean() > low + 0.2 * (high - low)
        assert len(np.unique(fixed[moved], axis=0)) > 0.9 * moved.sum()


def test_repair_under_two_limits():
    rng = np.random.default_rng(0)
    low, high = MS(BIG.encode([BIG.smallest(), BIG.largest()]))
    limits = Limits(BIG, {"latency_ms": MS, "num_params": params}, {"latency_ms": (low + high) / 2, "num_params": 9000})
    fixed = limits.repair(BIG.genome.sample(300, rng), rng)
    assert (params(fixed) <= 9000).all()
    assert (MS(fixed) <= (low + high) / 2).all()


def test_without_limits_everything_is_allowed():
    codes = BIG.genome.sample(50, np.random.default_rng(0))
    limits = Limits(BIG, {}, {})
    assert limits.allow(codes).all()
    np.testing.assert_array_equal(limits.repair(codes, np.random.default_rng(0)), codes)
