"""What an export left is read again with its network, and refused where somebody else wrote it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from vitnas.errors import DataError, ExportError
from vitnas.files import write_json
from vitnas.search_spaces import load_space
from vitnas.supernets.supernet import build_network
from vitnas.supernets.weights.exported import exported_folders, read_report, rebuild

SPACE = load_space("autoformer-mini")
BLUEPRINT = SPACE.lower(SPACE.smallest())


@pytest.fixture
def report() -> dict[str, Any]:
    return {
        "arch_id": SPACE.smallest().id,
        "dataset": "digits",
        "classes": [str(i) for i in range(10)],
        "task": {"image_size": 8, "num_classes": 10, "in_channels": 1},
        "normalisation": {"mean": [0.5], "std": [0.25]},
        "blueprint": BLUEPRINT.to_json(),
        "weights": {"file": "weights.safetensors"},
        "formats": {"onnx": {"file": "model.onnx", "num_images": 32}},
        "predicted_latency_ms": {},
        "measured_latency_ms": {},
    }


def test_the_network_comes_back_with_its_weights(report, tmp_path):
    network = build_network(BLUEPRINT).eval()
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    write_json(tmp_path / "report.json", report)
    blueprint, again = rebuild(tmp_path, read_report(tmp_path))
    x = torch.randn(3, *BLUEPRINT.in_shape)
    assert blueprint == BLUEPRINT
    assert not again.training
    assert torch.equal(again(x), network(x))


def test_several_networks_lie_in_folders_of_their_own(report, tmp_path):
    assert exported_folders(tmp_path, report) == [tmp_path]
    write_json(tmp_path / "report.json", {"exports": ["000-a", "001-b"]})
    assert exported_folders(tmp_path, read_report(tmp_path)) == [tmp_path / "000-a", tmp_path / "001-b"]


@pytest.mark.parametrize(
    "change",
    [
        {"weights": {"file": "../weights.safetensors"}},
        {"formats": {"onnx": {"file": "/etc/passwd", "num_images": 1}}},
        {"task": {"image_size": "eight"}},
        {"classes": 10},
        {"exports": [".."]},
    ],
)
def test_a_report_that_no_export_wrote_is_refused(report, change, tmp_path):
    write_json(tmp_path / "report.json", {**report, **change})
    with pytest.raises(ExportError, match=r"no report of an export \(.*\); name a folder"):
        read_report(tmp_path)


def test_a_folder_that_lost_something_is_refused(report, tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read_report(tmp_path)
    with pytest.raises(ExportError, match=r"is not a whole export \(.*No such file"):
        rebuild(tmp_path, report)
    report["blueprint"][0]["kind"] = "magic"
    with pytest.raises(ExportError, match=r"is not a whole export \(.*magic.*\); export the network anew"):
        rebuild(tmp_path, report)
