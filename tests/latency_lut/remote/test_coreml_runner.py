"""The runner for Macs up to the wire: coremltools' own benchmark of real packages, with a model that only says how long."""

import platform
import shutil
from pathlib import Path

import pytest

from tests.latency_lut.remote.conftest import BRIEF, SPACE
from vitnas.latency_lut.remote import coreml_runner, import_results, read_results, write_bundle


class Loaded:
    """What Core ML would be: a prediction of a layer takes 1.5 ms, and every call 0.1 ms more."""

    def __init__(self, layers):
        self.last_predict_duration_in_nano_seconds = int((0.1 + 1.5 * layers) * 1e6)

    def make_state_if_needed(self):
        return None

    async def predict(self, inputs, state=None):
        assert len(inputs) == 1

    async def retrieve_compute_plan(self):
        raise RuntimeError("an older system has no plan")


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    space = SPACE.restrict(width=(48,))
    folder = tmp_path_factory.mktemp("bundles") / "mac"
    return space, write_bundle(space, "macbook-m1", folder, BRIEF, progress=False)


@pytest.fixture
def mac(packages, tmp_path, monkeypatch):
    """Names of the packages that were loaded."""
    perf_utils = pytest.importorskip("coremltools.models.ml_program.experimental.perf_utils")
    items = {item.file: item for item in packages[1].manifest.items}
    loaded = []

    async def load(model, device):
        name = Path(model.package_path).name
        loaded.append(name)
        key = items[name].key
        return Loaded(key.count(";") + 1 if key else 0)

    monkeypatch.setattr(perf_utils.MLModelBenchmarker, "_create_loaded_model", staticmethod(load))
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    program = tmp_path / "programs" / "sysctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho Mac14,2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    return loaded


@pytest.mark.slow
def test_packages_are_timed_by_coremltools_and_become_a_table(packages, mac, tmp_path):
    space, bundle = packages
    assert coreml_runner.main([str(bundle.folder), str(tmp_path / "results.json")]) == 0
    results = read_results(tmp_path / "results.json", bundle.folder)
    assert results.fingerprint["model"] == "Mac14,2"
    assert str(results.fingerprint["runtime"]).startswith("coreml, coremltools ")
    table = import_results(space, results, tmp_path / "t.parquet")
    assert [row.timing.median_ms for row in table.rows] == pytest.approx([1.5] * len(table.rows))
    assert sorted(mac) == sorted([*(item.file for item in bundle.manifest.items), "reference.mlpackage"])
    assert coreml_runner.main([str(bundle.folder), str(tmp_path / "results.json")]) == 0
    assert len(mac) == len(bundle.manifest.items) + 1, "all is known by now"


@pytest.mark.slow
def test_a_package_that_was_damaged_is_not_timed(packages, mac, tmp_path, capsys):
    folder = tmp_path / "copy"
    shutil.copytree(packages[1].folder, folder)
    next((folder / "overhead.mlpackage").rglob("*.mlmodel")).write_bytes(b"0")
    assert coreml_runner.main([str(folder), str(tmp_path / "r.json")]) == 2
    assert "'overhead.mlpackage'" in capsys.readouterr().err
    assert coreml_runner.main([str(packages[1].folder), str(tmp_path / "r.json"), "--device", "iphone"]) == 2
    assert "a phone needs --model" in capsys.readouterr().err
    assert not (tmp_path / "r.json").exists()
