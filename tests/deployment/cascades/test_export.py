"""An exported cascade decides as its network does, in Python without vitnas too."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vitnas.api.cascades.choosing import cascade
from vitnas.api.cascades.exporting import export_cascade
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import ExportError, SettingsError
from vitnas.nas.cascades.judged import networks_of
from vitnas.nas.cascades.settings import CascadeSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Cascade
from vitnas.supernets.cascades.network import cascade_network
from vitnas.supernets.data import dataset_of
from vitnas.supernets.weights.checkpoints import load_supernet

USE = """
import json, sys
import numpy as np
from cascade import Cascade
run = Cascade()
found = [run(image[None]) for image in np.load(sys.argv[1])]
print(json.dumps([[number, logits[0].tolist()] for logits, number in found]))
"""


@pytest.fixture(scope="module")
def found(exiting: RunFolder) -> Cascade:
    return cascade(exiting, "cpu", CascadeSettings(max_drop=0.05, parts=2))


@pytest.mark.slow
def test_parts_and_runner_decide_as_the_network_does(exiting: RunFolder, found: Cascade, tmp_path: Path) -> None:
    rule = export_cascade(exiting, found, tmp_path / "out", ExportSettings(formats=("onnx",), measure=False))
    assert rule["formats"]["onnx"]["rule_agreement"] == 1.0
    assert rule["formats"]["onnx"]["thresholds"] == list(found.thresholds)
    assert Cascade.load(tmp_path / "out" / "cascade.json", exiting.space) == found
    assert json.loads((tmp_path / "out" / "rule.json").read_text())["formats"] == rule["formats"]
    dataset = dataset_of(exiting)
    images = dataset.val.sample(60).all()[0]
    np.save(tmp_path / "images.npy", images.numpy())
    command = [sys.executable, "-c", USE, str(tmp_path / "images.npy")]
    environment = {"PYTHONPATH": str(tmp_path / "out"), "OMP_NUM_THREADS": "1"}  # and not vitnas
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment, check=True
    )
    numbers, logits = zip(*json.loads(done.stdout), strict=True)
    answered = cascade_network(found, exiting.space, networks_of(load_supernet(exiting), found.archs, dataset.train))(
        images
    )
    assert list(numbers) == answered.exits.tolist()
    assert len(set(numbers)) == 2
    torch.testing.assert_close(torch.tensor(logits), answered.logits, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_core_ml_has_parts_too(exiting: RunFolder, found: Cascade, tmp_path: Path) -> None:
    pytest.importorskip("coremltools")
    rule = export_cascade(exiting, found, tmp_path / "out", ExportSettings(formats=("coreml",), measure=False))
    told = rule["formats"]["coreml"]
    assert told["rule_agreement"] > 0.95
    assert told["files"] == ["part0.mlpackage", "part1.mlpackage"]
    assert not (tmp_path / "out" / "cascade.py").exists(), "it runs ONNX files"


def test_what_cannot_be_exported_is_refused_before_the_work(exiting: RunFolder, found: Cascade, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="has no parts of cascades"):
        export_cascade(exiting, found, tmp_path / "out", ExportSettings(formats=("torch",)))
    with pytest.raises(SettingsError, match="a cascade has several"):
        export_cascade(exiting, found, tmp_path / "out", ExportSettings(finetune=1))
    assert not (tmp_path / "out").exists()
