"""Up to the wire: a program named adb stands for a phone, a module named litert_torch for the converter."""

import json
import os
import sys

import pytest

from tests.latency_lut.remote.conftest import BRIEF, SPACE
from vitnas.errors import DeviceError
from vitnas.latency_lut.remote import adb
from vitnas.latency_lut.remote.adb import parse, profile_over_adb

ROUNDS = 2

PHONE = r"""#!{python}
import json, os, sys
state = {folder!r}
arguments = sys.argv[1:]
with open(state + "/calls.jsonl", "a") as file:
    file.write(json.dumps(arguments) + "\n")
if arguments[:1] == ["-s"]:
    assert arguments[1] == "R5"
    arguments = arguments[2:]
if os.path.exists(state + "/gone"):
    sys.exit("error: device offline")
facts = {{"ro.product.manufacturer": "Google", "ro.product.model": "Pixel 6", "ro.build.version.release": "15", "ro.soc.model": "GS101"}}
match arguments:
    case ["shell", "getprop", name]:
        print(facts.get(name, ""))
    case ["push", source, target]:
        assert os.path.isfile(source), source
        print("1 file pushed")
    case ["shell", *_, graph, threads, runs, least, warm_runs, warm]:
        if not graph.startswith("--graph="):
            sys.exit(0)
        name = os.path.basename(graph)
        with open(state + "/limit") as file:
            limit = int(file.read())
        if limit == 0:
            open(state + "/gone", "w")
            sys.exit("error: device offline")
        with open(state + "/limit", "w") as file:
            file.write(str(limit - 1))
        us = {{"overhead.tflite": 20.0, "reference.tflite": 500.0}}.get(name, 2020.0 if name < "network" else 8020.0)
        print("STARTING!")
        print("INFO: Initialized TensorFlow Lite runtime.")
        print("INFO: count=50 first=%f curr=%f min=%f max=%f avg=%f std=3" % (us * 2, us, us, us * 2, us))
        print("INFO: Inference timings in us: Init: 5685, First inference: %f, Warmup (avg): %f, Inference (avg): %f" % (us * 2, us, us))
        print("INFO: Peak memory footprint (MB): init=1.5 overall=2.5", file=sys.stderr)
"""


class Phone:
    def __init__(self, folder):
        self.folder = folder
        (folder / "programs").mkdir(parents=True)
        program = folder / "programs" / "adb"
        program.write_text(PHONE.format(python=sys.executable, folder=str(folder)))
        program.chmod(0o755)
        self.benchmark = folder / "benchmark_model"
        self.benchmark.write_bytes(b"a program for phones")
        self.allow(100_000)

    def allow(self, runs):
        (self.folder / "limit").write_text(str(runs))
        (self.folder / "gone").unlink(missing_ok=True)
        (self.folder / "calls.jsonl").write_text("")

    @property
    def calls(self):
        return [json.loads(line) for line in (self.folder / "calls.jsonl").read_text().splitlines()]

    @property
    def timed(self):
        return [part.rpartition("/")[2] for call in self.calls for part in call if part.startswith("--graph=")]


@pytest.fixture
def phone(tmp_path, monkeypatch):
    phone = Phone(tmp_path / "phone")
    monkeypatch.setattr(adb, "ROUNDS", ROUNDS)
    monkeypatch.setenv("PATH", f"{phone.folder / 'programs'}:{os.environ['PATH']}")
    return phone


SMALL = SPACE.restrict(width=(48,))
ONE = BRIEF.__class__(**{**BRIEF.__dict__, "fit_networks": 1, "test_networks": 1, "group": 3})


@pytest.mark.slow
def test_a_phone_is_measured_and_left_as_it_was(phone, converter, tmp_path):
    path = tmp_path / "pixel.parquet"
    table = profile_over_adb(SMALL, "pixel-6", phone.benchmark, path, ONE, cores="4,5,6,7", serial="R5", progress=False)
    assert [row.timing.median_ms for row in table.rows] == pytest.approx([2.0] * len(table.rows))
    assert {row.timing.blocks for row in table.rows} == {ROUNDS}
    assert {row.timing.peak_bytes for row in table.rows} == {round(2.5 * 2**20)}
    facts = table.header.fingerprint
    assert (facts["model"], facts["system"], facts["compute_units"]) == ("Google Pixel 6", "Android 15", "cpu 4,5,6,7")
    calls = phone.calls
    assert all(call[:2] == ["-s", "R5"] for call in calls)
    assert calls.count(["-s", "R5", "shell", "rm", "-rf", "/data/local/tmp/vitnas"]) == 1
    power = [call[-1] for call in calls if "set-fixed-performance-mode-enabled" in call]
    assert power == ["true", "false"]
    run = next(call for call in calls if "taskset" in call)
    assert run[2:8] == [
        "shell",
        "taskset",
        "f0",
        "/data/local/tmp/vitnas/benchmark_model",
        "--graph=/data/local/tmp/vitnas/reference.tflite",
        "--num_threads=1",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["modules", "phone", "pixel.parquet"]


@pytest.mark.slow
def test_a_phone_that_goes_away_is_asked_only_for_the_rest(phone, converter, tmp_path):
    path = tmp_path / "pixel.parquet"
    phone.allow(ROUNDS * 4 + 2)  # one group of three with the reference, and a little of the next
    with pytest.raises(DeviceError, match="benchmark_model gave no timing of .*device offline"):
        profile_over_adb(SMALL, "pixel-6", phone.benchmark, path, ONE, progress=False)
    assert not path.exists()
    before = set(phone.timed[: ROUNDS * 4]) - {"reference.tflite"}
    phone.allow(100_000)
    profile_over_adb(SMALL, "pixel-6", phone.benchmark, path, ONE, progress=False)
    assert not before & set(phone.timed)
    assert path.is_file()


def test_a_phone_that_is_not_there(phone, tmp_path):
    (phone.folder / "gone").touch()
    with pytest.raises(
        DeviceError, match="adb could not reach the phone: error: device offline; check with `adb devices`"
    ):
        profile_over_adb(SMALL, "pixel-6", phone.benchmark, tmp_path / "t.parquet", ONE, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["phone"]


def test_without_adb_it_says_so(tmp_path, monkeypatch):
    (tmp_path / "benchmark_model").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeviceError, match="'adb' is not installed"):
        profile_over_adb(SMALL, "pixel-6", tmp_path / "benchmark_model", tmp_path / "t.parquet", ONE)
    with pytest.raises(DeviceError, match="does not exist; give LiteRT's benchmark_model"):
        profile_over_adb(SMALL, "pixel-6", tmp_path / "no-such-program", tmp_path / "t.parquet", ONE)
    with pytest.raises(DeviceError, match="cores are numbers with commas"):
        profile_over_adb(SMALL, "pixel-6", tmp_path / "benchmark_model", tmp_path / "t.parquet", ONE, cores="4; reboot")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("", "gave no timing of 'x': it said nothing"),
        ("linker: not found", "linker: not found; check that the program is built for this phone"),
        ("Inference timings in us: Init: 1, Inference (avg): -5", "takes -5 us, which no call can"),
        ("Inference timings in us: Init: 1, Inference (avg): nan", "takes nan us"),
        ("Inference timings in us: Init: 1, Inference (avg): 0", "takes 0 us"),
    ],
)
def test_what_is_no_timing_is_refused(output, message):
    with pytest.raises(DeviceError, match=message):
        parse("x", output)


def test_exponents_are_numbers():
    assert parse("x", "Inference timings in us: Init: 1, Inference (avg): 1.25e+06") == (1250.0, None)
