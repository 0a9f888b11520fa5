import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.latency_lut.pretended import CONTEXT, ONCE_MS, OVERHEAD_MS, PretendedDevice, layer_ms
from vitnas.errors import DeviceError, SettingsError
from vitnas.latency_lut import profile as profiling
from vitnas.latency_lut import timing_session as gather
from vitnas.latency_lut.assemble import work_of
from vitnas.latency_lut.devices.cpu import CPU
from vitnas.latency_lut.interpolation import Interpolator
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import PartialTimings, blueprint_key
from vitnas.search_spaces import Blueprint, load_space
from vitnas.settings import make_settings

SPACE = load_space("autoformer-mini")
FEW = ProfileSettings(fit_networks=8, test_networks=8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "latency" / "pretended.parquet"


def test_the_table_finds_the_layers_and_the_calibration(path):
    table = profile(SPACE, PretendedDevice(), path, progress=False)
    assert {r.spec for r in table.rows} == set(SPACE.lowering.specs)
    assert [r.timing.median_ms for r in table.rows] == pytest.approx([layer_ms(r.spec) for r in table.rows])
    header = table.header
    assert header.overhead_ms == OVERHEAD_MS
    assert (header.calibration.intercept_ms, header.calibration.slope) == pytest.approx((ONCE_MS, CONTEXT))
    assert (header.fidelity.networks, header.fidelity.kendall) == (50, pytest.approx(1.0, abs=1e-3))
    assert header.fidelity.mape == pytest.approx(0, abs=1e-9)
    assert table.warnings == []
    again = LatencyTable.read(path)
    assert (again.header, again.rows) == (header, table.rows)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_fitted_networks_reach_from_smallest_to_largest(path):
    networks = profile(SPACE, PretendedDevice(), path, progress=False).header.networks
    assert len({n.arch for n in networks}) == 80
    assert [n.held_out for n in networks].count(True) == 50
    assert (networks[0].arch, networks[-1].arch) == (SPACE.smallest().id, SPACE.largest().id)
    assert not networks[0].held_out
    assert not networks[-1].held_out


def test_nothing_is_measured_twice(path):
    device = PretendedDevice()
    profile(SPACE, device, path, progress=False)
    keys = [blueprint_key(b) for b in device.asked]
    assert len(keys) == len(set(keys)) == 1 + len(SPACE.lowering.specs) + 80


def test_what_slows_large_networks_alone_is_divided_out(path):
    """Whole networks are timed beside one of their size, which is slowed as they are."""

    class Crowded(PretendedDevice):
        def time(self, blueprints, settings, reference=None):
            for i, timing in enumerate(super().time(blueprints, settings, reference)):
                large, beside_large = len(self.asked[-1]) > 1, reference is not None and len(reference) > 1
                slower = 1 + i % 4 / 90
                slow = timing.scaled(slower if large else 1.0)
                yield dataclasses.replace(slow, reference_ms=0.05 * (slower if beside_large else 1.0))

    fidelity = profile(SPACE, Crowded(), path, progress=False).header.fidelity
    assert fidelity.mape == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("widths", [(48,), (48, 64)])
def test_a_tiny_space_still_gives_a_table(path, widths):
    tiny = SPACE.restrict(width=widths, depth=(3,), heads=(2,), mlp_ratio=(2.0,))
    table = profile(tiny, PretendedDevice(), path, progress=False)
    assert table.header.fidelity is None
    assert "never compared" in table.warnings[0]
    codes = tiny.encode([tiny.smallest()])
    measured = table.header.networks[0].measured_ms
    assert table.latency_ms(tiny)(codes)[0] == pytest.approx(measured)


def test_layers_of_a_slow_moment_are_measured_again(path):
    class Hiccup(PretendedDevice):
        def time(self, blueprints, settings, reference=None):
            for blueprint, timing in zip(blueprints, super().time(blueprints, settings, reference), strict=True):
                slow = [*blueprint] in odd and self.asked.count(blueprint) == 1
                yield dataclasses.replace(timing.scaled(2), median_ms=9.9) if slow else timing

    odd = [[spec] for spec in SPACE.lowering.specs[7:9]]
    device = Hiccup()
    table = profile(SPACE, device, path, FEW, progress=False)
    assert len(device.asked) == 43
    assert [r.timing.median_ms for r in table.rows] == pytest.approx([layer_ms(r.spec) for r in table.rows])


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pretended import PretendedDevice
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.profile import profile
from vitnas.search_spaces import load_space
few = ProfileSettings(fit_networks=8, test_networks=8)
profile(load_space("autoformer-mini"), PretendedDevice(pause_s=0.2), Path(sys.argv[1]), few, progress=False)
"""


@pytest.mark.slow
def test_a_killed_profile_continues_to_the_same_table(path):
    partial = path.with_name(path.name + ".partial.jsonl")
    code = CHILD.format(tests=str(Path(__file__).parent))
    child = subprocess.Popen([sys.executable, "-c", code, str(path)])
    try:
        deadline = time.monotonic() + 120
        while not partial.exists() or partial.read_bytes().count(b"\n") < 6:
            assert child.poll() is None, "the profile ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert not path.exists()
    done = partial.read_bytes().count(b"\n") - 1
    with partial.open("ab") as file:
        file.write(b'{"network": "cut sh')
    device = PretendedDevice()
    resumed = profile(SPACE, device, path, FEW, progress=False)
    assert len(device.asked) == 41 - done
    whole = profile(SPACE, PretendedDevice(), path.with_name("whole.parquet"), FEW, progress=False)
    assert resumed.rows == whole.rows
    assert resumed.header.networks == whole.header.networks
    assert not partial.exists()


@pytest.mark.parametrize("change", ["fingerprint", "protocol"])
def test_timings_on_other_terms_are_not_reused(path, change):
    blueprint = Blueprint.single(SPACE.lowering.specs[0])
    settings = ProfileSettings()
    path.parent.mkdir()

    def stop(*arguments):
        raise KeyboardInterrupt

    broken = PretendedDevice()
    broken.time = stop
    with pytest.raises(KeyboardInterrupt):
        profile(SPACE, broken, path, settings, progress=False)
    partial = path.with_name(path.name + ".partial.jsonl")
    first = json.loads(partial.read_text().splitlines()[0])
    timing = next(PretendedDevice().time([blueprint], settings))
    PartialTimings(partial, first).add(blueprint, timing.scaled(7))
    device = PretendedDevice(tag="two" if change == "fingerprint" else "one")
    other = ProfileSettings(blocks=30) if change == "protocol" else settings
    with pytest.warns(
        UserWarning, match=r"has 1 timings of another .* kept in 'pretended.parquet.partial.jsonl.[0-9a-f]{8}'"
    ):
        profile(SPACE, device, path, other, progress=False)
    assert blueprint_key(blueprint) in [blueprint_key(b) for b in device.asked]
    assert PartialTimings(partial, first).found == {blueprint_key(blueprint): timing.scaled(7)}  # none was lost


def test_a_budget_that_the_protocol_alone_exceeds_is_refused_before_anything_is_timed(path):
    class Thorough(PretendedDevice):
        def least_s(self, settings):
            return CPU().least_s(settings)

    device = Thorough()
    with pytest.raises(
        DeviceError, match=r"13 layers and 8 whole networks .* in about 53 s. Give --budget \d+s or more"
    ):
        profile(SPACE, device, path, progress=False, budget_s=5.0)
    assert device.asked == []
    assert 21 * CPU().least_s(ProfileSettings()) // 1 == 52


LARGE = load_space("swin")


@pytest.mark.heavy
def test_a_large_space_is_measured_in_part_and_says_which(path):
    device = PretendedDevice()
    table = profile(LARGE, device, path, dataclasses.replace(FEW, test_networks=20), progress=False)
    rows = {row.spec: row for row in table.rows}
    assert set(rows) == set(LARGE.lowering.specs)
    asked = {b.layers[0] for b in device.asked if len(b) == 1}
    assert {spec for spec, row in rows.items() if row.timing.provenance == "measured"} == asked
    assert len(asked) < len(rows) / 1.5
    guessed = [row for spec, row in rows.items() if spec not in asked]
    assert all((row.timing.provenance, row.timing.blocks) == ("interpolated", 0) for row in guessed)
    off = [abs(row.timing.median_ms / layer_ms(row.spec) - 1) for row in guessed]
    assert sorted(off)[len(off) // 2] < 0.02
    within = [abs(row.timing.median_ms - layer_ms(row.spec)) <= 2 * row.std_ms + 1e-6 for row in guessed]
    assert sum(within) / len(within) > 0.9
    assert set(table.header.interpolation) == {row.spec.kind for row in guessed}
    assert table.header.fidelity.mape < 0.01


@pytest.mark.heavy
def test_what_matters_most_is_measured_first():
    specs = LARGE.lowering.specs
    interpolator = Interpolator(specs, work_of(LARGE))
    importance = np.zeros(len(specs))
    windows = [i for i, spec in enumerate(specs) if spec.kind == "window_attention"]
    importance[windows[::3]] = 1.0
    noise = np.random.default_rng(0).lognormal(0.0, 0.2, len(specs))
    known = {i: layer_ms(specs[i]) * noise[i] + 0.01 for i in interpolator.first(importance)}
    wanted = interpolator.next(interpolator.fit(known), importance, 6)
    assert len(set(wanted)) == 6
    assert not set(wanted) & set(known)
    assert sum(i in set(windows[::3]) for i in wanted) >= 5


@pytest.mark.slow
def test_a_budget_is_kept_and_its_table_is_whole(path, monkeypatch):
    device = Clock(network_s=0.5)
    for module in (gather, profiling):
        monkeypatch.setattr(module, "time", device)
    settings = ProfileSettings(tolerance=0.0, group=3)
    table = profile(LARGE, device, path, settings, progress=False, budget_s=15.0)
    assert 12.0 < device.now < 15.0  # but for the share of the table and one group of networks
    assert table.provenances["measured"] < len(table.rows) == len(LARGE.lowering.specs)
    networks = [n.held_out for n in table.header.networks]
    assert min(networks.count(True), networks.count(False)) >= 8


def test_a_budget_too_short_for_anything_says_so_and_keeps_what_was_measured(path):
    settings = dataclasses.replace(FEW, group=1)
    device = PretendedDevice(pause_s=0.3)  # long beside what a busy machine takes away
    with pytest.raises(
        DeviceError, match=r"budget of 0\.7 s is too short .* \d+ layers and 8 whole networks"
    ) as caught:
        profile(SPACE, device, path, settings, progress=False, budget_s=0.7)
    assert not path.exists()
    assert path.with_name(path.name + ".partial.jsonl").exists()
    assert len(device.asked) < 4  # refused by the first timings, not after the whole budget
    assert "What was timed is kept; go on with --budget" in str(caught.value)
    device.pause_s = 0.0
    table = profile(SPACE, device, path, settings, progress=False)
    assert table.warnings == []
    assert len({blueprint_key(b) for b in device.asked}) == len(device.asked)  # nothing twice


class Clock(PretendedDevice):
    """Tells the time itself: a layer takes 0.05 s to be timed, a whole network as many as it is told."""

    now = 0.0

    def __init__(self, network_s=0.05):
        super().__init__()
        self.network_s = network_s

    def monotonic(self):
        return self.now

    def time(self, blueprints, settings, reference=None):
        for timing in super().time(blueprints, settings, reference):
            self.now += self.network_s if reference is not None else 0.05
            yield timing


@pytest.mark.parametrize(("budget_s", "network_s"), [(0.7, 0.05), (1.5, 0.5)])
def test_a_budget_too_short_is_refused_by_what_first_timings_took(path, monkeypatch, budget_s, network_s):
    device = Clock(network_s)
    for module in (gather, profiling):
        monkeypatch.setattr(module, "time", device)
    settings = dataclasses.replace(FEW, group=2)
    with pytest.raises(DeviceError, match=r"is too short for a table of space 'autoformer-mini'") as caught:
        profile(SPACE, device, path, settings, progress=False, budget_s=budget_s)
    assert device.now < budget_s + 2 * network_s  # a group of networks, which nothing foretold
    told = int(re.search(r"go on with --budget (\d+)s", str(caught.value))[1])
    begun = device.now
    table = profile(SPACE, device, path, settings, progress=False, budget_s=told)
    assert device.now - begun <= told
    assert table.warnings == []
    networks = [n.held_out for n in table.header.networks]
    assert min(networks.count(True), networks.count(False)) >= 4
    codes = SPACE.genome.sample(60, np.random.default_rng(0))
    assert len({f"{ms:.6g}" for ms in table.latency_ms(SPACE)(codes)}) > 40


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DeviceError, match=r"is a folder; name a file .*pretended\.parquet"):
        profile(SPACE, PretendedDevice(), tmp_path, progress=False)


def test_settings_are_read_strictly():
    assert make_settings(ProfileSettings, {"blocks": 5, "seed": 3}, "[profile]").blocks == 5
    assert ProfileSettings.quick().block_ms < ProfileSettings().block_ms
    for values, message in [
        ({"blockms": 5}, "unknown key 'blockms'"),
        ({"blocks": 0}, r"\[profile\] blocks must be at least 1; got 0"),
        ({"fit_networks": 0}, "fit_networks must be at least 1"),
        ({"blocks": "many"}, "blocks must be a whole number"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"tolerance": 1.0}, "tolerance must be at least 0 and less than 1; got 1.0"),
    ]:
        with pytest.raises(SettingsError, match=message):
            make_settings(ProfileSettings, values, "[profile]")
