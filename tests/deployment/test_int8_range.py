"""An export says how wide its int8 weights are, and a processor on which they saturate is found out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.exporters import onnx, onnx_int8
from vitnas.deployment.exporters.exporter import Tolerance
from vitnas.deployment.verify import verify
from vitnas.errors import ExportError, SettingsError
from vitnas.files import read_json, write_json
from vitnas.latency_lut.runtimes.saturation import EXACT, SelfTest
from vitnas.reporting.terminal.exports import print_export, print_verified
from vitnas.search_spaces import load_space
from vitnas.settings import make_settings
from vitnas.supernets.data import Dataset, load_dataset
from vitnas.supernets.supernet import Supernet

SPACE = load_space("autoformer-mini")
ARCH = SPACE.sample(1, np.random.default_rng(8))[0]
SOUND = SelfTest("ONNX Runtime 0", {"MatMul": EXACT, "Conv": EXACT})
SATURATED = SelfTest("ONNX Runtime 0", {"MatMul": 1_048_544, "Conv": EXACT})


@pytest.fixture(scope="module", autouse=True)
def lenient() -> Iterator[None]:
    """Classes of random weights are nearly tied, so that rounding to int8 turns some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(onnx_int8.Int8, "limits", replace(onnx_int8.STATIC, top1_agreement=0.5, accuracy_drop=0.5))
        yield


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


@pytest.fixture(scope="module")
def folders(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One export by a processor that saturates and one by a processor that does not."""
    found, patch = {}, pytest.MonkeyPatch()
    for name, test in (("sound", SOUND), ("saturated", SATURATED)):
        patch.setattr(onnx, "onnx_runtime_test", lambda test=test: test)
        out = tmp_path_factory.mktemp(name) / "out"
        settings = ExportSettings(int8="static", verify_images=40, calibration_images=32, measure=False)
        export(SPACE, Supernet(SPACE, seed=3), ARCH, digits, out, settings)
        found[name] = out
    patch.undo()
    return found


def on(test: SelfTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx, "onnx_runtime_test", lambda: test)


@pytest.mark.slow
def test_the_report_and_the_card_say_what_was_taken_and_why(folders, capsys):
    sound, saturated = (read_json(folders[name] / "report.json") for name in ("sound", "saturated"))
    assert sound["formats"]["onnx-int8"]["int8"] == {"bits": 8, "why": "this processor's kernels do not saturate"}
    assert saturated["formats"]["onnx-int8"]["int8"] == {"bits": 7, "why": "this processor's kernels saturate"}
    assert "int8" not in sound["formats"]["onnx"]
    cards = {name: (folder / "README.md").read_text() for name, folder in folders.items()}
    assert "`onnx-int8` has 7-bit weights: this processor's kernels saturate." in cards["saturated"]
    assert "vitnas export --int8-range reduced" in cards["sound"]
    assert "--int8-range" not in cards["saturated"]
    print_export(folders["saturated"], saturated)
    assert "onnx-int8, 7-bit weights: this processor's kernels saturate" in capsys.readouterr().out


@pytest.mark.slow
def test_a_processor_that_saturates_is_found_by_verifying(folders, digits, monkeypatch, capsys):
    def warning(name: str) -> str | None:
        found = verify(folders[name], digits, measure=False)
        print_verified({"there": found})
        assert found["formats"]["onnx"]["warning"] is None
        return found["formats"]["onnx-int8"]["warning"]

    on(SATURATED, monkeypatch)
    told = warning("sound")
    assert told is not None
    assert "sums 64 products of 255 and 127 to 1,048,544 instead of 2,072,640" in told
    assert "--int8-range reduced" in told
    assert f"warning: onnx-int8: {told}" in capsys.readouterr().out
    assert warning("saturated") is None
    on(SOUND, monkeypatch)
    assert warning("sound") is None
    assert warning("saturated") is None


@pytest.mark.slow
def test_a_report_from_before_is_of_eight_bits(folders, digits, monkeypatch, tmp_path):
    folder = Path(shutil.copytree(folders["sound"], tmp_path / "copy"))
    report = read_json(folder / "report.json")
    del report["formats"]["onnx-int8"]["int8"]
    write_json(folder / "report.json", report)
    assert verify(folder, digits, measure=False)["formats"]["onnx-int8"]["hold"]
    on(SATURATED, monkeypatch)
    assert verify(folder, digits, measure=False)["formats"]["onnx-int8"]["warning"]


@pytest.mark.slow
def test_a_limit_that_breaks_names_the_saturation(folders, digits, monkeypatch, tmp_path):
    on(SATURATED, monkeypatch)
    monkeypatch.setattr(onnx_int8.Int8, "limits", Tolerance(1e-9, 0.9, 0.02))
    with pytest.raises(ExportError, match=r"onnx-int8: the largest difference.*\(its weights have 8 bits.*saturate"):
        verify(folders["sound"], digits, measure=False)
    settings = ExportSettings(int8="static", int8_range="full", verify_images=20, calibration_images=16, measure=False)
    with pytest.raises(ExportError, match=r"its weights have 8 bits.*export it with --int8-range reduced"):
        export(SPACE, Supernet(SPACE, seed=3), ARCH, digits, tmp_path / "out", settings)


def test_only_known_ranges_are_taken():
    assert make_settings(ExportSettings, {"int8_range": "reduced"}, "here").int8_range == "reduced"
    with pytest.raises(SettingsError, match="int8_range"):
        make_settings(ExportSettings, {"int8_range": "narrow"}, "here")
