import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.latency_lut.pretended import CONTEXT, ONCE_MS, OVERHEAD_MS, PretendedDevice, layer_ms
from vitnas.errors import DeviceError, SettingsError
from vitnas.latency_lut.partial import PartialTimings, blueprint_key
from vitnas.latency_lut.profile import ProfileSettings, profile
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Blueprint, load_space
from vitnas.settings import make_settings

SPACE = load_space("autoformer-mini")


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
    assert (header.fidelity.networks, header.fidelity.kendall) == (8, pytest.approx(1.0))
    assert header.fidelity.mape == pytest.approx(0, abs=1e-9)
    assert table.warnings == []
    again = LatencyTable.read(path)
    assert (again.header, again.rows) == (header, table.rows)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_fitted_networks_reach_from_smallest_to_largest(path):
    networks = profile(SPACE, PretendedDevice(), path, progress=False).header.networks
    assert len({n.arch for n in networks}) == 16
    assert [n.held_out for n in networks].count(True) == 8
    assert (networks[0].arch, networks[-1].arch) == (SPACE.smallest().id, SPACE.largest().id)
    assert not networks[0].held_out
    assert not networks[-1].held_out


def test_nothing_is_measured_twice(path):
    device = PretendedDevice()
    profile(SPACE, device, path, progress=False)
    keys = [blueprint_key(b) for b in device.asked]
    assert len(keys) == len(set(keys)) == 1 + len(SPACE.lowering.specs) + 16


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
        def time(self, blueprints, settings):
            for i, timing in enumerate(super().time(blueprints, settings)):
                slow = len(self.asked) <= 41 and i in (3, 4)
                yield dataclasses.replace(timing.scaled(2), median_ms=9.9) if slow else timing

    device = Hiccup()
    table = profile(SPACE, device, path, progress=False)
    assert len(device.asked) == 43
    assert [r.timing.median_ms for r in table.rows] == pytest.approx([layer_ms(r.spec) for r in table.rows])


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from pretended import PretendedDevice
from vitnas.latency_lut.profile import profile
from vitnas.search_spaces import load_space
profile(load_space("autoformer-mini"), PretendedDevice(pause_s=0.2), Path(sys.argv[1]), progress=False)
"""


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
    resumed = profile(SPACE, device, path, progress=False)
    assert len(device.asked) == 41 - done
    whole = profile(SPACE, PretendedDevice(), path.with_name("whole.parquet"), progress=False)
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
    profile(SPACE, device, path, other, progress=False)
    assert blueprint_key(blueprint) in [blueprint_key(b) for b in device.asked]


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(DeviceError, match=r"is a folder; name a file .*pretended\.parquet"):
        profile(SPACE, PretendedDevice(), tmp_path, progress=False)


def test_settings_are_read_strictly():
    assert make_settings(ProfileSettings, {"blocks": 5, "seed": 3}, "[profile]").blocks == 5
    assert ProfileSettings.quick().block_ms < ProfileSettings().block_ms
    for values, message in [
        ({"blockms": 5}, "unknown key 'blockms'"),
        ({"blocks": 0}, r"\[profile\]: 'blocks' must be a number above zero, got 0"),
        ({"fit_networks": 0}, "'fit_networks' must be a number above zero"),
        ({"blocks": "many"}, "Expected `int`"),
        ({"seed": -1}, "'seed' must not be negative"),
    ]:
        with pytest.raises(SettingsError, match=message):
            make_settings(ProfileSettings, values, "[profile]")
