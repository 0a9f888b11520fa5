"""What an export left can be verified by its folder alone, and what was changed since is found out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file, save_file

from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.verify import images_for, verify
from vitnas.errors import DataError, DeviceError, ExportError
from vitnas.files import read_json, write_json
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import Dataset, load_dataset
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.exported import read_report

SPACE = load_space("autoformer-mini")
ARCH = SPACE.sample(1, np.random.default_rng(8))[0]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def exported(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "out"
    settings = ExportSettings(verify_images=50, measure=False, licence="apache-2.0")
    export(SPACE, Supernet(SPACE, seed=3), ARCH, digits, out, settings, latency_ms={"iphone12": 1.5})
    return out


@pytest.fixture
def folder(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def test_finds_again_what_the_report_says(folder, digits):
    told = read_report(folder)["formats"]["onnx"]
    found = verify(folder, images_for(read_report(folder), None), measure=False)["formats"]["onnx"]
    assert found["hold"] is True
    assert found["num_images"] == told["num_images"] == 50
    for name in ("accuracy_after", "top1_agreement", "size_bytes"):
        assert found[name] == told[name]


def test_accuracy_is_measured_again_on_all_images(folder):
    told = read_report(folder)["accuracy"]
    found = verify(folder, images_for(read_report(folder), None), measure=False)["accuracy"]
    assert found == told
    assert (found["num_images"], found["test"]["num_images"]) == (324, 180)
    few = verify(folder, images_for(read_report(folder), None), measure=False, accuracy_images=40)["accuracy"]
    assert (few["num_images"], few["out_of"], few["test"]["num_images"]) == (40, 324, 40)


def test_images_are_divided_as_they_were_for_the_training(folder, digits, tmp_path):
    report = read_report(folder)
    again = images_for(report, None)
    assert np.array_equal(again.val.rows, digits.val.rows)
    other = images_for({**report, "division": {**report["division"], "seed": 4, "test_share": 0.2}}, None)
    assert not np.array_equal(other.val.rows, digits.val.rows)
    assert len(other.test) == 359
    # An export of the time before there were tests.
    old = images_for({name: value for name, value in report.items() if name != "division"}, None)
    assert (len(old.train), len(old.val), old.test) == (1438, 359, None)
    for split, word in (("val", "validation"), ("test", "test")):
        told = {**report, "division": {**report["division"], split: True}}
        with pytest.raises(ExportError, match=rf"the {word} images of 'digits' lay in a place of their own.*--{split}"):
            images_for(told, None)
    np.savez(tmp_path / "a.npz", x=np.zeros((20, 8, 8), np.uint8), y=np.arange(20) % 10)
    told = {**report, "division": {**report["division"], "test": True}}
    assert len(images_for(told, None, test=str(tmp_path / "a.npz")).test) == 20


def test_latency_is_measured_again_on_devices_that_are_here(folder, digits):
    report = read_json(folder / "report.json")
    write_json(folder / "report.json", {**report, "measured_latency_ms": {"cpu": 0.5}})
    found = verify(folder, digits)
    assert found["predicted_latency_ms"] == {"iphone12": 1.5}
    assert list(found["measured_latency_ms"]) == ["cpu"]  # nobody can time a phone here
    assert 0 < found["measured_latency_ms"]["cpu"] != 0.5
    assert verify(folder, digits, measure=False)["measured_latency_ms"] == {}


def test_a_device_that_is_not_here_is_refused_first(folder, digits):
    (folder / "model.onnx").unlink()  # would be refused as well
    with pytest.raises(DeviceError, match="device 'iphone12' cannot time the network"):
        verify(folder, digits, devices=("iphone12",))


def test_other_weights_are_found_out(folder, digits):
    state = load_file(folder / "weights.safetensors")
    state["head.linear.bias"][0] += 0.1
    save_file(state, folder / "weights.safetensors")
    with pytest.raises(ExportError, match=r"does not answer as its weights do: onnx: the largest difference"):
        verify(folder, digits)


def test_an_artefact_that_was_changed_is_found_out_though_it_answers_as_before(folder, digits):
    model = onnx.load(folder / "model.onnx")
    model.producer_name = "somebody"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(ExportError, match=r"'model\.onnx' is not what was exported, it was changed or damaged since"):
        verify(folder, digits, measure=False)
    (folder / ".vitnas.json").unlink()  # as of an earlier version
    assert verify(folder, digits, measure=False)["formats"]["onnx"]["hold"]


def test_a_flipped_bit_in_the_weights_is_found_out(folder, digits):
    content = bytearray((folder / "weights.safetensors").read_bytes())
    content[-5] ^= 1
    (folder / "weights.safetensors").write_bytes(content)
    with pytest.raises(ExportError, match="is not as vitnas wrote it"):
        verify(folder, digits, measure=False)


def test_what_is_gone_or_damaged_is_named(folder, digits):
    (folder / "model.onnx").write_bytes(b"no model")
    with pytest.raises(ExportError, match="cannot be run here"):
        verify(folder, digits)
    (folder / "model.onnx").unlink()
    with pytest.raises(ExportError, match="is gone"):
        verify(folder, digits)
    (folder / "weights.safetensors").unlink()
    with pytest.raises(ExportError, match="not a whole export"):
        verify(folder, digits)


def test_images_of_another_task_are_refused(folder, digits):
    with pytest.raises(DataError, match="give images of that task"):
        verify(folder, replace(digits, task=Task(16, 10, 1)))
    report = read_json(folder / "report.json")
    with pytest.raises(ExportError, match=r"cannot find by itself.*--data"):
        images_for({**report, "dataset": "photos"}, None)


def test_the_card_says_what_the_report_says(exported):
    card = (exported / "README.md").read_text()
    report = read_report(exported)
    front = card.split("---")[1]
    assert "license: apache-2.0" in front
    assert '- "digits"' in front
    assert f"value: {report['accuracy']['test']['accuracy']:.4f}" in front
    assert f"| iphone12 | {1.5:.3f} | - |" in card
    assert f"{report['formats']['onnx']['max_difference']:.1e}" in card
    assert "onnxruntime.InferenceSession" in card
    code = card.split("```python")[1].split("```")[0]
    assert compile(code, "card", "exec")


def test_the_code_on_the_card_runs(exported, monkeypatch):
    monkeypatch.chdir(exported)
    found: dict[str, object] = {}
    exec((exported / "README.md").read_text().split("```python")[1].split("```")[0], found)
    assert np.asarray(found["logits"]).shape == (1, 10)
    assert torch.is_tensor(torch.from_numpy(np.asarray(found["logits"])))
