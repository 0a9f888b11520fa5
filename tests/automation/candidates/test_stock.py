"""The stock network: published networks that timm has, the one nearest to the limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vitnas.automation.automate import Telling, automate
from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.stock import IN_TIMM, slowest_stock, stock_networks, with_stock_if_any
from vitnas.automation.settings import AutoSettings
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import DataSettings
from vitnas.supernets.weights.pretrained import FAMILIES

DIGITS = Task(8, 10, 1)
QUICK, SMALLER = "EfficientFormerV2-S1", "EfficientFormerV2-S0"


def test_they_are_the_published_networks_whose_weights_timm_has():
    assert set(IN_TIMM) <= set(FAMILIES)
    found = stock_networks(Task(224, 1000, 3), ("deit", "efficientformerv2"))
    counts = {one.name: one.macs for one in found}
    assert list(counts.values()) == sorted(counts.values())
    for name in ("deit", "efficientformerv2"):
        for network, published in load_space(name).published().items():
            assert counts[network] == pytest.approx(published.macs, rel=1e-3)
    assert {one.space.task for one in found} == {Task(224, 1000, 3)}


def test_small_images_are_enlarged():
    assert {one.space.task for one in stock_networks(DIGITS, ("deit",))} == {Task(64, 10, 1)}


def test_the_slowest_that_keeps_the_limit_is_taken():
    names = ("efficientformerv2",)
    each = stock_networks(DIGITS, names)
    ms = {one.name: Clock({"iphone12": 1.0}).ms(one.space, [one.arch])[0]["iphone12"] for one in each}
    limit = 1.05 * ms[QUICK]
    best = max((name for name in ms if ms[name] <= limit), key=ms.__getitem__)
    found = slowest_stock(DIGITS, Clock({"iphone12": limit}), names)
    assert found is not None
    assert found.space.name_of(found.placed.arch) == best == QUICK
    assert found.placed.ms["iphone12"] == ms[best]


@pytest.mark.parametrize("limit", [0.3, 0.72])
def test_the_baseline_is_told_or_left_out(limit):
    said: list[str] = []
    asked = AutoSettings(limits={"iphone12": limit}, baselines=("uniform", "stock"))
    found = with_stock_if_any(asked, DIGITS, Clock({"iphone12": limit}), said.append, ("efficientformerv2",))
    [line] = said
    if limit > 0.5:
        assert found.baselines == asked.baselines
        assert line.startswith(f"stock: {SMALLER}, 64 px: 0.")
    else:
        assert found.baselines == ("uniform",)
        assert line.startswith(f"no stock network keeps the limit: {SMALLER}, 64 px: ")
    assert asked.seconds / 2 <= found.seconds < asked.seconds


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("limit", "roles"), [(0.55, {"candidate", "uniform"}), (0.72, {"candidate", "uniform", "stock"})]
)
def test_a_plan_has_it_where_there_is_one(limit, roles, tmp_path):
    """Where there is none, the others get its share of the time."""
    asked = AutoSettings(
        limits={"iphone12": limit}, seconds=6000.0, spaces=("autoformer-mini",), candidates=1, workers=1
    )  # so long that what the looking takes does not matter
    both = replace(asked, baselines=("uniform", "stock"))
    plans = [
        automate(DataSettings("digits"), one, tmp_path / str(i), Telling(lambda text: None), dry_run=True).plan
        for i, one in enumerate((asked, both))
    ]
    assert {entry.role for entry in plans[1].entries} == roles
    shares = [next(e.seconds for e in plan.baselines if e.role == "uniform") for plan in plans]
    assert shares[1] / shares[0] == pytest.approx(1.0 if "stock" not in roles else 2 / 3, rel=0.05)
    if "stock" in roles:
        [stock] = [entry for entry in plans[1].entries if entry.role == "stock"]
        assert stock.ms["iphone12"] <= limit
