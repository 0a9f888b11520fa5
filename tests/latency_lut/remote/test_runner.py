"""End to end: a bundle, a process that knows nothing of vitnas, its results, a table."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.latency_lut.remote.conftest import BRIEF
from vitnas.errors import DeviceError
from vitnas.files import read_json, read_line
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.remote import import_results, read_results, write_bundle
from vitnas.latency_lut.table import LatencyTable

ALONE = """
import runpy, sys
sys.modules["vitnas"] = None  # whoever imports it fails
sys.path.insert(0, sys.argv[1])
sys.argv = ["runner.py", *sys.argv[1:]]
runpy.run_path(sys.argv[1] + "/runner.py", run_name="__main__")
"""


def runner(*arguments, **more):
    command = [sys.executable, "-c", ALONE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, **more)


@pytest.fixture(scope="module")
def measured(bundle, tmp_path_factory):
    out = tmp_path_factory.mktemp("measured") / "results.json"
    done = runner(bundle.folder, out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(
        f"{len(bundle.manifest.items)}/{len(bundle.manifest.items)} network-"
    )
    return out


def test_a_bundle_becomes_a_table(bundle, measured, space, tmp_path):
    results = read_results(measured, bundle.folder)
    table = import_results(space, results, tmp_path / "board.parquet")
    again = LatencyTable.read(tmp_path / "board.parquet")
    assert (again.header, again.rows) == (table.header, table.rows)
    assert table.provenances == {"measured": len(space.lowering.specs)}
    assert (table.header.device, table.header.fingerprint["bundle"]) == ("board", bundle.manifest.id)
    assert table.header.fingerprint["runtime"].startswith("onnxruntime ")
    assert [n.held_out for n in table.header.networks].count(True) == table.header.fidelity.networks == 1
    for network in table.header.networks:
        assert 0.3 < network.predicted_ms / network.measured_ms < 3
    assert table.latency_ms(space)(space.encode([space.largest()]))[0] > 0


def test_it_never_mixes_with_the_estimate(bundle, measured, space, tmp_path):
    table = import_results(space, read_results(measured, bundle.folder), tmp_path / "board.parquet")
    with pytest.raises(DeviceError, match="Figures of different fingerprints never mix"):
        table.check_fingerprint(load_device("iphone12").fingerprint())


def test_a_killed_runner_goes_on_where_it_was(bundle, tmp_path):
    out = tmp_path / "results.json"
    partial = tmp_path / "results.json.partial.jsonl"
    code = ALONE.replace("runpy.run_path", "import time; runpy.run_path")
    child = subprocess.Popen([sys.executable, "-c", code, str(bundle.folder), str(out)], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not partial.exists() or partial.read_bytes().count(b"\n") < 5:
            assert child.poll() is None, "the runner ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert not out.exists()
    kept = [read_line(line) for line in partial.read_bytes().split(b"\n")[1:-1]]
    with partial.open("ab") as file:
        file.write(b'{"id": "cut sh')
    assert runner(bundle.folder, out).returncode == 0
    rows = json.loads(out.read_text())["items"]
    assert rows[: len(kept)] == kept
    assert {row["id"] for row in rows} == {item.id for item in bundle.manifest.items}
    assert not partial.exists()


def test_progress_on_other_terms_is_not_reused(bundle, tmp_path):
    partial = tmp_path / "results.json.partial.jsonl"
    partial.write_text('{"bundle": "another"}\n{"id": "overhead", "median_ms": 77.0}\n')
    assert runner(bundle.folder, tmp_path / "results.json").returncode == 0
    assert json.loads((tmp_path / "results.json").read_text())["items"][0]["median_ms"] < 77


@pytest.mark.parametrize("damage", ["changed", "missing", "another runtime"])
def test_a_bundle_that_is_not_what_it_says_is_not_timed(bundle, tmp_path, damage):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.folder, copy)
    victim = copy / bundle.manifest.items[-1].file
    if damage == "changed":
        victim.write_bytes(victim.read_bytes()[:-1] + b"\0")
    elif damage == "missing":
        victim.unlink()
    else:
        manifest = read_json(copy / "manifest.json") | {"runtime": "coreml"}
        (copy / "manifest.json").write_text(json.dumps(manifest))
    done = runner(copy, tmp_path / "results.json")
    said = {"changed": "not what its manifest says", "missing": "is missing", "another runtime": "for coreml"}[damage]
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_cores_that_are_not_there_are_refused(bundle, tmp_path):
    done = runner(bundle.folder, tmp_path / "results.json", "--cores", "4096")
    assert done.returncode == 2
    assert "this process may use" in done.stderr


STAND_IN = """
import hashlib, json, subprocess, sys
from pathlib import Path

phone, twin, out = map(Path, sys.argv[1:])
manifest = json.loads((phone / "manifest.json").read_text())
for item in manifest["items"]:
    package = phone / item["file"]
    files = sorted(p.relative_to(package).as_posix() for p in package.rglob("*") if p.is_file())
    lines = "".join(hashlib.sha256((package / name).read_bytes()).hexdigest() + "  " + name + "\\n" for name in files)
    assert hashlib.sha256(lines.encode()).hexdigest() == item["sha256"], item
subprocess.run([sys.executable, twin / "runner.py", twin, out], check=True)
results = json.loads(out.read_text())
results["manifest"] = manifest
results.pop("seal")
results["runner"] = "stand-in"
results["fingerprint"].update(model="iPhone 12", system="iOS 18.3", runtime="coreml", precision="fp16", threads=0)
out.write_text(json.dumps(results))
"""


@pytest.mark.slow
def test_a_bundle_for_a_phone_goes_all_the_way(space, tmp_path):
    """A process plays the phone: it checks every package, and times the ONNX twin of each."""
    small = space.restrict(width=(48, 64))
    phone = write_bundle(small, "iphone12", tmp_path / "phone", BRIEF, progress=False)
    twin = write_bundle(small, "board", tmp_path / "twin", BRIEF, runtime="onnx", progress=False)
    assert [item.id for item in phone.manifest.items] == [item.id for item in twin.manifest.items]
    command = [sys.executable, "-c", STAND_IN, str(phone.folder), str(twin.folder), str(tmp_path / "results.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = read_results(tmp_path / "results.json", phone.folder)
    table = import_results(small, results, tmp_path / "iphone12.parquet")
    assert (table.header.device, table.header.fingerprint["model"]) == ("iphone12", "iPhone 12")
    assert table.provenances == {"measured": len(small.lowering.specs)}
    assert load_device("iphone12").fingerprint() != table.header.fingerprint
    with pytest.raises(DeviceError, match="Figures of different fingerprints never mix"):
        table.check_fingerprint(load_device("iphone12").fingerprint())
    ran = subprocess.run(
        [sys.executable, "-m", CORE_ML, phone.folder, tmp_path / "r.json"], capture_output=True, text=True
    )
    assert (ran.returncode, "Core ML runs on Apple's systems, and this is Linux" in ran.stderr) == (2, True)
    assert not (tmp_path / "r.json").exists()


CORE_ML = "vitnas.latency_lut.remote.coreml_runner"


def test_the_core_ml_runner_takes_core_ml_bundles(bundle, tmp_path):
    command = [sys.executable, "-m", CORE_ML, str(bundle.folder), str(tmp_path / "r.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "is a bundle for onnx" in done.stderr) == (2, True)
