"""The page that tries an export: what it serves, what it refuses, and in a real browser what it answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.chromium import RUNTIME, Tab, needs_browser
from tests.latency_lut.browser.player import Connection
from vitnas.deployment.trial import TryPage, trial
from vitnas.errors import DeviceError, ExportError
from vitnas.files import read_json, write_json
from vitnas.latency_lut.browser.onnxruntime_web import GIVEN
from vitnas.latency_lut.browser.server import serving
from vitnas.latency_lut.runtimes.onnx import to_onnx
from vitnas.supernets.data.decoding import decode

SIDE, CLASSES = 24, ["a <b>bold</b> one", "two", "three", "four"]
MEAN, STD = [0.1, 0.2, 0.3], [0.5, 0.6, 0.7]
pytestmark = pytest.mark.heavy  # a network is exported


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The part of an export that the page reads: a report, and a small network whose answers depend on every pixel."""
    import torch

    folder = tmp_path_factory.mktemp("knee")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, len(CLASSES)))
    to_onnx(network, torch.zeros(1, 3, SIDE, SIDE), folder / "model.onnx", dynamic_batch=True)
    report = {
        "space": {"name": "tiny"},
        "arch_id": "0123456789ab",
        "dataset": "made up",
        "classes": CLASSES,
        "task": {"image_size": SIDE + 8, "num_classes": len(CLASSES), "in_channels": 3},
        "normalisation": {"mean": MEAN, "std": STD},
        "blueprint": [{"site": "all", "kind": "by hand", "in": [3, SIDE, SIDE], "out": [len(CLASSES)], "attrs": {}}],
        "weights": {"file": "weights.safetensors"},
        "formats": {"onnx": {"file": "model.onnx", "num_images": 1}},
        "predicted_latency_ms": {},
        "measured_latency_ms": {"cpu": 1.25},
    }
    write_json(folder / "report.json", report)
    return folder


@pytest.fixture
def _no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "missing", lambda backend: None)
    monkeypatch.setattr(trial, "runtime_files", lambda backend, say: {})


def changed(folder: Path, tmp_path: Path, **report: Any) -> Path:
    write_json(tmp_path / "report.json", read_json(folder / "report.json") | report)
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    return tmp_path


@pytest.mark.usefixtures("_no_runtime")
def test_the_page_the_network_and_what_it_must_know(exported: Path) -> None:
    with serving(TryPage(exported, print)) as server:
        page = Connection(server.url)
        assert page.ask("GET", "network.onnx") == (200, (exported / "model.onnx").read_bytes())
        facts = json.loads(page.ask("GET", "facts.json")[1])
        assert (facts["classes"], facts["mean"], facts["std"]) == (CLASSES, MEAN, STD)
        assert (facts["height"], facts["width"], facts["fit"]) == (SIDE, SIDE, "crop")
        for name in ("", "try.js", "pixels.js", "facts.js", "worker.js", "page.css"):
            assert page.ask("GET", name)[0] == 200
        assert page.ask("GET", "report.json")[0] == 404
        assert page.ask("POST", "facts.json", b"{}")[0] == 404


@pytest.mark.usefixtures("_no_runtime")
def test_what_cannot_be_tried_is_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match="has formats torch, and a browser runs onnx; export the network with `--format onnx`"
    ):
        TryPage(changed(exported, tmp_path, formats={"torch": {"file": "model.pt2", "num_images": 1}}), print)
    with pytest.raises(ExportError, match="5 channels"):
        TryPage(changed(exported, tmp_path, task={"image_size": 8, "num_classes": 4, "in_channels": 5}), print)
    with pytest.raises(ExportError, match="name the folder of one of them: one, two"):
        TryPage(changed(exported, tmp_path, exports=["one", "two"]), print)
    (changed(exported, tmp_path) / "model.onnx").unlink()
    with pytest.raises(ExportError, match="model.onnx' is not as it was written, or is missing"):
        TryPage(tmp_path, print)


def test_without_the_runtime_the_remedy_is_told(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "missing", lambda backend: "it is not here; install npm")
    with pytest.raises(DeviceError, match="cannot be tried in a browser: it is not here; install npm"):
        TryPage(exported, print)


class TestInABrowser:
    pytestmark = needs_browser

    def test_it_answers_what_onnx_runtime_does(
        self, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(GIVEN, RUNTIME)
        levels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / "photo.png")
        x = ((levels / 255 - MEAN) / STD).transpose(2, 0, 1)[None].astype(np.float32)
        (logits,) = onnxruntime.InferenceSession(exported / "model.onnx").run(None, {"image": x})[0]
        shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        (tmp_path / "notes.png").write_text("no picture")
        with serving(TryPage(exported, print)) as server, Tab(server.url, tmp_path / "profile") as tab:
            tab.wait_for("document.documentElement?.dataset.ready")
            tab.give_file("#file", tmp_path / "photo.png")
            tab.wait_for("/ in .* ms/.test(document.getElementById('state').textContent)")
            found = tab.evaluate("[...document.querySelectorAll('.classes li')].map(e => e.innerText.split('\\n'))")
            assert [name for name, _ in found] == [CLASSES[i] for i in np.argsort(-shares)]
            assert [share for _, share in found] == [f"{100 * shares[i]:.1f} %" for i in np.argsort(-shares)]
            assert "cpu 1.25 ms" in tab.text()
            tab.give_file("#file", tmp_path / "notes.png")
            tab.wait_for(
                "document.getElementById('state').textContent.includes('is no image that this browser can read')"
            )
            assert tab.said == []

    def test_a_photograph_is_prepared_as_for_an_evaluation(
        self, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Fine patterns and noise, an odd margin, more rows than are taken at a time, and one smaller than the network."""
        monkeypatch.setenv(GIVEN, RUNTIME)
        y, x = np.mgrid[:1801, :2600]
        waves = [127 + 120 * np.sin(phase) for phase in (x * 0.9, y * 1.1, (x + y) * 0.5)]
        noise = np.random.default_rng(0).integers(0, 256, (301, 400, 3))
        photos = {"waves": np.stack(waves, -1), "noise": noise, "small": noise[:15, :20]}
        pixels = f"Array.from(document.getElementById('seen').getContext('2d').getImageData(0, 0, {SIDE}, {SIDE}).data)"
        with serving(TryPage(exported, print)) as server, Tab(server.url, tmp_path / "profile") as tab:
            tab.wait_for("document.documentElement?.dataset.ready")
            for name, levels in photos.items():
                file = tmp_path / f"{name}.png"
                Image.fromarray(levels.astype(np.uint8)).save(file)
                tab.evaluate("document.getElementById('state').textContent = ''")
                tab.give_file("#file", file)
                tab.wait_for("/ in .* ms/.test(document.getElementById('state').textContent)")
                found = np.array(tab.evaluate(pixels)).reshape(SIDE, SIDE, 4)[..., :3].transpose(2, 0, 1)
                expected = decode(file.read_bytes(), SIDE, 3)
                assert np.abs(found - expected.astype(int)).max() <= 1, name
