"""Searches for several devices, with archs to begin with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.latency_lut.test_table import make_table
from tests.nas.problem import BIG, SMALL, Score, posed
from vitnas.errors import InvalidArchError, SearchError, SettingsError
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import spell_out, std_of
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.nas.targets.target import Target

QUICK = SearchSettings(evaluations=40, initial=12, batch=7, population=20, generations=5)
DEVICES = ("cpu", "phone")


def targets():
    cpu = make_table(SMALL)
    rows = tuple(replace(r, timing=r.timing.scaled(0.2 if r.spec.kind == "attention" else 3.0)) for r in cpu.rows)
    return [Target(SMALL, cpu), Target(SMALL, replace(cpu, rows=rows, header=replace(cpu.header, device="phone")))]


def run(folder, settings=QUICK, shared=None, **more):
    both = targets()
    costs = {f"latency_ms@{t.name}": t.latency_ms for t in both} | {
        f"latency_ms_std@{t.name}": t.latency_std_ms for t in both
    }
    asked = replace(settings.on_devices(DEVICES), storage=f"journal:///{folder}.journal")
    problem = posed(
        SMALL, asked, costs, targets=tuple(both), origin={"device": "cpu, phone"}, shared_errors=shared or {}
    )
    return search(problem, Score(SMALL), asked, folder, progress=False, **more)


def test_a_front_for_all_devices_and_one_for_each(tmp_path):
    front = run(tmp_path / "a", shared={"latency_ms@cpu": 0.02, "latency_ms@phone": 0.1})
    assert [o.name for o in front.objectives] == ["accuracy", "latency_ms@cpu", "latency_ms@phone"]
    assert front.shared == {"latency_ms@cpu": 0.02, "latency_ms@phone": 0.1}
    on_both = {p.arch for p in front.points}
    for device, target in zip(DEVICES, targets(), strict=True):
        own = ParetoFront.load(tmp_path / "a" / f"front-{device}.json", SMALL)
        assert [o.name for o in own.objectives] == ["accuracy", "latency_ms"]
        assert own.config["origin"]["device"] == device
        assert own.shared == {"latency_ms": front.shared[f"latency_ms@{device}"]}
        assert {p.arch for p in own.points} <= on_both  # accuracies differ, so what is best for one is in the whole
        codes = SMALL.encode([p.arch for p in own.points])
        np.testing.assert_allclose([p.objectives["latency_ms"] for p in own.points], target.latency_ms(codes))
        any_day = np.hypot(target.latency_std_ms(codes), target.between * target.latency_ms(codes))
        np.testing.assert_allclose([p.errors["latency_ms"] for p in own.points], any_day)


@pytest.mark.heavy
def test_what_all_latencies_share_comes_from_the_sitting(tmp_path):
    front = run(tmp_path / "a")
    assert front.shared == {f"latency_ms@{t.name}": t.sitting.shared for t in targets()}
    for point in front.points:
        for name, shared in front.shared.items():
            assert point.errors[name] > shared * point.objectives[name]


def test_a_limit_on_one_device_and_one_on_all(tmp_path):
    cpu, phone = targets()
    codes = SMALL.genome.enumerate()
    wide = float(np.quantile(cpu.latency_ms(codes), 0.6))
    tight = float(np.quantile(phone.latency_ms(codes), 0.3))
    front = run(
        tmp_path / "a", replace(QUICK, limits={"latency": wide * 100, "latency@phone": tight, "latency@cpu": wide})
    )
    assert front.config["limits"] == {"latency_ms@cpu": wide, "latency_ms@phone": tight}
    for point in front.points:
        assert point.objectives["latency_ms@phone"] <= tight
        assert point.objectives["latency_ms@cpu"] <= wide
    with pytest.raises(SearchError, match=r"latency_ms@phone <= 0.001.*reach from"):
        run(tmp_path / "b", replace(QUICK, limits={"latency@phone": 0.001}))


def test_names_of_quantities():
    assert spell_out("latency", ["cpu"], "x") == ["latency_ms"]
    assert spell_out("latency_ms", DEVICES, "x") == ["latency_ms@cpu", "latency_ms@phone"]
    assert spell_out("energy@phone", DEVICES, "x") == ["energy_mj@phone"]
    assert spell_out("latency@cpu", ["cpu"], "x") == ["latency_ms"]
    assert spell_out("params", DEVICES, "x") == ["num_params"]
    assert std_of("latency_ms@phone") == "latency_ms_std@phone"
    with pytest.raises(
        SettingsError, match="--limit latency@phnoe: the search is not for that device.*Did you mean 'phone'"
    ):
        spell_out("latency@phnoe", DEVICES, "--limit")
    with pytest.raises(SettingsError, match="num_params is the same on every device"):
        spell_out("params@cpu", DEVICES, "x")


def test_included_archs_are_evaluated_whatever_they_cost_and_warm_ones_within_limits(tmp_path):
    cpu, _ = targets()
    ms = cpu.latency_ms(SMALL.genome.enumerate())
    limit = float(np.quantile(ms, 0.3))
    archs = SMALL.sample(30, np.random.default_rng(5))
    over = next(a for a in archs if cpu.latency_ms(SMALL.encode([a]))[0] > limit)
    front = run(tmp_path / "a", replace(QUICK, limits={"latency@cpu": limit}), include=[SMALL.largest()], warm=archs)
    import pyarrow.parquet as pq

    rows = pq.read_table(tmp_path / "a" / "evaluations.parquet").to_pylist()
    ids = [row["arch_id"] for row in rows]
    assert ids[0] == SMALL.largest().id
    within = [a.id for a in dict.fromkeys(archs) if cpu.latency_ms(SMALL.encode([a]))[0] <= limit]
    assert ids[1 : 1 + len(within)] == within
    assert over.id not in ids
    assert len(ids) == len(set(ids)) == 40
    assert SMALL.largest() not in [p.arch for p in front.points]


def test_archs_of_another_space_and_too_many_are_refused(tmp_path):
    with pytest.raises(InvalidArchError):
        run(tmp_path / "a", include=[BIG.largest()])
    with pytest.raises(SearchError, match="2 archs to include, and 1 evaluations to spend; allow at least 2"):
        run(tmp_path / "a", replace(QUICK, evaluations=1), include=[SMALL.largest(), SMALL.smallest()])
    assert not (tmp_path / "a").exists()
