"""The PyTorch folder loads where vitnas cannot be imported, as a program and as plain source."""

from __future__ import annotations

import operator
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.deployment.exporters.small_network import FACTS, folded, pictures, small_network
from vitnas.deployment.exporters.torch import Torch
from vitnas.deployment.source import INFIX
from vitnas.deployment.verification import answers
from vitnas.errors import ExportError

ALONE = """
import sys
sys.modules["vitnas"] = None  # importing it now fails
sys.path.insert(0, ".")
import numpy as np, torch
from network import build
x = torch.from_numpy(np.load("x.npy"))
np.save("source.npy", build()(x).numpy())
np.save("program.npy", torch.export.load("model.pt2").module()(x).numpy())
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Torch().export(folded(), pictures(4), FACTS, tmp_path_factory.mktemp("export"))


def test_loads_in_a_process_without_vitnas(folder, tmp_path):
    alone = tmp_path / "alone"
    shutil.copytree(folder, alone)
    x = pictures(7, seed=5)
    np.save(alone / "x.npy", x.numpy())
    run = subprocess.run([sys.executable, "-I", "-c", ALONE], cwd=alone, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    expected = answers(small_network(), x).numpy()
    for name in ("source", "program"):
        np.testing.assert_allclose(np.load(alone / f"{name}.npy"), expected, atol=1e-5, rtol=0)


def test_source_has_one_class_for_equal_layers_and_no_pickle_lies_there(folder):
    source = (folder / "network.py").read_text()
    assert "vitnas" not in source.split('"""')[2]
    assert source.count("class Attention") == 1
    assert compile(source, "network.py", "exec")
    assert sorted(p.name for p in folder.iterdir()) == ["model.pt2", "network.py", "weights.safetensors"]


def test_wrong_source_is_refused(tmp_path, monkeypatch):
    network = folded()
    assert any(node.target is operator.mul for layer in network for node in layer.graph.nodes)
    monkeypatch.setitem(INFIX, operator.mul, "+")
    with pytest.raises((ExportError, RuntimeError)):
        Torch().export(network, pictures(4), FACTS, tmp_path)
