"""The ONNX file is valid, complete, silent about this machine, and needs nothing of vitnas."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from vitnas.deployment.export import export
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.deployment.verification import compare
from vitnas.search_spaces import load_space
from vitnas.supernets.data import load_dataset
from vitnas.supernets.supernet import Supernet

SPACE = load_space("autoformer-mini")
ARCH = SPACE.sample(1, np.random.default_rng(5))[0]

ALONE = """
import sys
sys.modules["vitnas"] = sys.modules["torch"] = None  # importing either now fails
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
x = np.load("x.npy")
np.save("y.npy", session.run(None, {session.get_inputs()[0].name: x})[0])
print(session.get_modelmeta().custom_metadata_map["vitnas.arch_id"])
"""


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(SPACE, seed=4).eval()


@pytest.fixture(scope="module")
def folder(supernet: Supernet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "out"
    export(SPACE, supernet, ARCH, load_dataset("digits"), out)
    return out


def test_runs_in_a_process_without_vitnas(folder, supernet, tmp_path):
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    x = load_dataset("digits").val.sample(7).all()[0]
    np.save(tmp_path / "x.npy", x.numpy())
    run = subprocess.run([sys.executable, "-I", "-c", ALONE], cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == ARCH.id
    with torch.no_grad():
        expected = supernet(x, ARCH).numpy()
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), expected, atol=1e-4, rtol=0)


def test_metadata_holds_the_facts_and_no_path(folder):
    model = onnx.load(folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    held = {p.key: p.value for p in model.metadata_props}
    dataset = load_dataset("digits")
    assert held["vitnas.space"] == "autoformer-mini"
    assert json.loads(held["vitnas.mean"]) == list(dataset.mean)
    assert json.loads(held["vitnas.std"]) == list(dataset.std)
    assert json.loads(held["vitnas.num_classes"]) == 10
    content = (folder / "model.onnx").read_bytes()
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[3]).encode() not in content


def test_report_of_a_real_export_holds_its_limits(folder):
    report = json.loads((folder / "report.json").read_text())
    found = report["formats"]["onnx"]
    assert found["max_difference"] <= 1e-4
    assert found["top1_agreement"] == 1.0
    assert found["accuracy_after"] == found["accuracy_before"]
    assert found["size_bytes"] == (folder / found["file"]).stat().st_size


def test_a_tampered_file_breaks_the_limits(folder, supernet, tmp_path):
    model = onnx.load(folder / "model.onnx")
    weight = max(model.graph.initializer, key=lambda w: int(np.prod(w.dims)))
    values = onnx.numpy_helper.to_array(weight).copy()
    values.flat[0] += 0.5
    weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
    onnx.save(model, tmp_path / "model.onnx")
    x, y = load_dataset("digits").val.all()
    with torch.no_grad():
        expected = supernet(x, ARCH)
    assert compare(expected, Onnx().run(folder / "model.onnx", x), y).breaches(Onnx.limits) == []
    assert compare(expected, Onnx().run(tmp_path / "model.onnx", x), y).breaches(Onnx.limits)
