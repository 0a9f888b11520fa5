"""A device whose latencies are known exactly, and a table that is wrong about them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from tests.latency_lut.pretended import CONTEXT, ONCE_MS, PretendedDevice, layer_ms
from tests.nas.problem import SMALL, Score, accuracy, posed
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.protocol import IQR_OF_NORMAL, Timing
from vitnas.latency_lut.refit import learn
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.sitting import BETWEEN
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.nas.targets.target import Target
from vitnas.search_spaces import Arch

SETTINGS = SearchSettings(evaluations=60, initial=20, batch=20, population=20, generations=10, patience=0)
SLOW = 1.3
"""How much longer attention takes than the table says."""


class Slower(PretendedDevice):
    """Attention takes longer than the table says, and the machine is half as fast as then, which the reference tells."""

    def time(self, blueprints, settings, reference=None):
        for blueprint in blueprints:
            self.asked.append(blueprint)
            ms, beside_ms = true_ms(blueprint), true_ms(reference)
            yield Timing(2 * ms, 0.02 * ms, 1.98 * ms, 2.04 * ms, settings.blocks, 2 * beside_ms)


def true_ms(blueprint) -> float:
    return ONCE_MS + CONTEXT * sum(layer_ms(s) * (SLOW if s.kind == "attention" else 1) for s in blueprint)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    quick = ProfileSettings(fit_networks=8, test_networks=6, tolerance=0)
    path = tmp_path_factory.mktemp("table") / "pretended.parquet"
    made = profile(SMALL, PretendedDevice(), path, quick, progress=False)
    networks = tuple(replace(n, measured_ms=true_ms(SMALL.lower(arch_of(n)))) for n in made.header.networks)
    calibration = replace(made.header.calibration, error=0.05)
    beside = replace(made.header.beside, took_ms=true_ms(SMALL.lower(arch_of(made.header.beside))))
    return replace(made, header=replace(made.header, calibration=calibration, networks=networks, beside=beside))


def arch_of(network) -> Arch:
    return Arch.from_json({"space": SMALL.name, "genes": network.genes})


def run(folder, table, device, settings=SETTINGS, **more):
    target = Target(SMALL, table, device)
    costs = {"latency_ms": target.latency_ms, "latency_ms_std": target.latency_std_ms, **table.counts(SMALL)}
    fast = replace(settings, storage=f"journal:///{folder}.journal")
    problem = posed(SMALL, fast, costs, targets=(target,), origin={"device": "pretended"})
    return search(problem, Score(SMALL), fast, folder, progress=False, **more)


@pytest.fixture(scope="module")
def limit_ms() -> float:
    codes = SMALL.genome.sample(200, np.random.default_rng(0))
    return float(np.median([true_ms(SMALL.lower(arch)) for arch in SMALL.decode(codes)]))


def test_the_front_is_that_of_the_true_latencies_though_few_were_measured(tmp_path, table, limit_ms):
    device = Slower()
    front = run(tmp_path / "a", table, device, replace(SETTINGS, limits={"latency_ms": limit_ms}))
    import pyarrow.parquet as pq

    rows = pq.read_table(tmp_path / "a" / "evaluations.parquet").to_pylist()
    archs = [Arch.from_json(json.loads(row["arch"])) for row in rows]
    found = {a.id: (float(accuracy(SMALL.encode([a]))[0]), true_ms(SMALL.lower(a))) for a in archs}
    within = {k: v for k, v in found.items() if v[1] <= limit_ms}
    truth = {
        k
        for k, (a, ms) in within.items()
        if not any(x >= a and y <= ms and (x > a or y < ms) for x, y in within.values())
    }
    assert {p.arch.id for p in front.points} == truth
    for point in front.points:
        assert point.provenance["latency_ms"] == "measured"
        assert point.objectives["latency_ms"] == pytest.approx(found[point.arch.id][1])
        within = 0.01 / IQR_OF_NORMAL * math.sqrt(math.pi / 2 / 20)  # what blocks of one sitting scatter by
        assert point.errors["latency_ms"] == pytest.approx(math.hypot(within, BETWEEN) * point.objectives["latency_ms"])
    assert len(front.points) <= len(device.asked) < len(archs)
    assert len({tuple(s.key for s in b) for b in device.asked}) == len(device.asked)  # none twice


def test_a_finished_search_measures_nothing_again(tmp_path, table):
    first = run(tmp_path / "a", table, Slower())
    idle = Slower()
    assert run(tmp_path / "a", table, idle) == first
    assert idle.asked == []
    assert ParetoFront.load(tmp_path / "a" / "front.json", SMALL) == first


@pytest.mark.heavy
def test_interrupted_while_measuring_it_goes_on_to_the_same_front(tmp_path, table):
    class Unplugged(Slower):
        def time(self, blueprints, settings, reference=None):
            for timing in super().time(blueprints, settings, reference):
                if len(self.asked) == 9:
                    raise KeyboardInterrupt
                yield timing

    calm = run(tmp_path / "calm", table, Slower())
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "a", table, Unplugged())
    rest = Slower()
    assert run(tmp_path / "a", table, rest) == calm
    whole = Slower()
    run(tmp_path / "again", table, whole)
    assert len(rest.asked) == len(whole.asked) - 8  # the ninth was lost


def test_without_measuring_figures_are_those_of_the_table(tmp_path, table):
    device = Slower()
    front = run(tmp_path / "a", table, device, replace(SETTINGS, measure=False))
    assert device.asked == []
    codes = SMALL.encode([p.arch for p in front.points])
    np.testing.assert_allclose([p.objectives["latency_ms"] for p in front.points], table.latency_ms(SMALL)(codes))
    assert {p.provenance["latency_ms"] for p in front.points} == {"table"}
    assert all(p.errors["latency_ms"] > 0.04 * p.objectives["latency_ms"] for p in front.points)


def test_a_table_that_has_seen_networks_predicts_others_better(table):
    codes = SMALL.genome.sample(60, np.random.default_rng(1))
    archs = SMALL.decode(codes)
    truth = np.array([true_ms(SMALL.lower(arch)) for arch in archs])
    timings = [Timing(ms, 0.01 * ms, ms, ms, 20, 0.05) for ms in truth[:30]]
    learned = learn(SMALL, table, archs[:30], timings)

    def mape(one):
        return np.abs(one.latency_ms(SMALL)(codes[30:]) / truth[30:] - 1).mean()

    assert mape(learned) < mape(table) / 2
    assert learned.header.calibration.error != table.header.calibration.error
    alone = learn(SMALL, table, [], [])
    assert learn(SMALL, alone, [], []).latency_ms(SMALL)(codes) == pytest.approx(alone.latency_ms(SMALL)(codes))


def test_energy_is_power_times_time(table):
    assert not Target(SMALL, table).has_energy
    watts = {"attention": 12.0}
    rows = [
        replace(
            row,
            timing=replace(
                row.timing,
                energy_mj=watts.get(row.spec.kind, 6.0) * (row.timing.median_ms + table.header.overhead_ms),
            ),
        )
        for row in table.rows
    ]
    target = Target(SMALL, replace(table, rows=tuple(rows)))
    codes = SMALL.genome.sample(5, np.random.default_rng(2))
    by_key = {row.spec.key: row.timing.median_ms for row in table.rows}
    for row, arch in enumerate(SMALL.decode(codes)):
        specs = SMALL.lower(arch)
        times = {s.key: by_key[s.key] for s in specs}
        mean = sum(watts.get(s.kind, 6.0) * times[s.key] for s in specs) / sum(times[s.key] for s in specs)
        assert target.energy_mj(codes)[row] == pytest.approx(mean * target.latency_ms(codes)[row])
