"""Odd wishes are refused before the work starts, with the remedy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vitnas.deployment.calibration import calibration_images
from vitnas.deployment.exporters.choose import choose_exporters
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import ExportError, SettingsError
from vitnas.supernets.data import load_dataset


def test_int8_stands_beside_the_formats_that_have_it():
    settings = ExportSettings(formats=("onnx", "coreml"), int8="static")
    assert [exporter.name for exporter in choose_exporters(settings)] == ["onnx", "coreml", "onnx-int8"]
    named = ExportSettings(formats=("onnx", "onnx-int8-dynamic"), int8="dynamic")
    assert [exporter.name for exporter in choose_exporters(named)] == ["onnx", "onnx-int8-dynamic"]
    with pytest.raises(SettingsError, match=r"none of the formats \['coreml'\] has a variant of that kind.*onnx-int8"):
        choose_exporters(ExportSettings(formats=("coreml",), int8="static"))


def test_a_format_whose_tools_are_missing_names_the_remedy(monkeypatch):
    monkeypatch.delenv("VITNAS_EXECUTORCH_PYTHON", raising=False)
    with pytest.raises(ExportError, match="'executorch' cannot be written here: .*set VITNAS_EXECUTORCH_PYTHON"):
        choose_exporters(ExportSettings(formats=("executorch",)))


def test_numbers_and_teachers_without_sense_are_refused(tmp_path):
    for odd in (
        {"verify_images": 0},
        {"calibration_images": 0},
        {"finetune": -1},
        {"teacher": "run:x"},
        {"finetune_rate": 1e-3},
    ):
        with pytest.raises(SettingsError, match=next(iter(odd))):
            ExportSettings(**odd)
    with pytest.raises(SettingsError, match="does not exist; name a folder of images"):
        ExportSettings(calibration=str(tmp_path / "none"))


def test_calibration_images_come_from_training_or_from_a_folder(tmp_path: Path):
    digits = load_dataset("digits")
    settings = ExportSettings(calibration_images=5)
    assert torch.equal(calibration_images(settings, digits), digits.train.sample(5).shuffled().all()[0])
    folder = tmp_path / "images" / "below"
    folder.mkdir(parents=True)
    own = ExportSettings(calibration=str(tmp_path / "images"), calibration_images=3)
    with pytest.raises(ExportError, match=r"holds 0 images that can be read"):
        calibration_images(own, digits)
    (folder / "damaged.png").write_bytes(b"no image")
    for i in range(4):
        Image.fromarray(np.full((20, 30), 60 * i, np.uint8)).save(folder / f"{i}.png")
    found = calibration_images(replace(own, calibration_images=5), digits)
    assert found.shape == (4, 1, 8, 8)  # one of the five is no image
    values = found[:, 0, 0, 0] * digits.std[0] + digits.mean[0]
    assert torch.allclose(values * 255, torch.tensor([0.0, 60.0, 120.0, 180.0]), atol=1e-3)


def test_a_calibration_folder_is_sampled_by_its_subfolders(tmp_path: Path):
    for name, shade, count in (("night", 20, 24), ("noon", 240, 8)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.fromarray(np.full((8, 8), shade, np.uint8)).save(tmp_path / name / f"{i}.png")
    digits = load_dataset("digits")
    found = calibration_images(ExportSettings(calibration=str(tmp_path), calibration_images=8), digits)
    shades = (found[:, 0, 0, 0] * digits.std[0] + digits.mean[0]) * 255
    assert shades.round().int().tolist() == [20] * 6 + [240] * 2


def test_calibration_takes_every_real_image_once(tmp_path: Path):
    digits = load_dataset("digits")
    folder = tmp_path / "images"
    (folder / "__MACOSX").mkdir(parents=True)
    for i in range(2):
        Image.fromarray(np.full((20, 30), 60 * i, np.uint8)).save(folder / f"{i}.png")
        Image.fromarray(np.full((20, 30), 255, np.uint8)).save(folder / "__MACOSX" / f"{i}.png")
    (folder / "self").symlink_to(".")
    (folder / "again.png").symlink_to("0.png")
    assert calibration_images(ExportSettings(calibration=str(folder)), digits).shape == (2, 1, 8, 8)
