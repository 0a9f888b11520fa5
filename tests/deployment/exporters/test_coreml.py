"""A package takes pictures, knows its classes, and is made for the iOS of the device."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deployment.exporters.small_network import FACTS, LABELS, folded, pictures, small_network
from vitnas.deployment.coreml_interpreter import MilProgram
from vitnas.deployment.exporters.coreml import CoreML, EightBit, FourBit, from_pixels
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.verification import answers


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return CoreML().export(folded(), pictures(4), FACTS, tmp_path_factory.mktemp("package"))


def test_takes_pictures_and_answers_with_labels(package):
    spec = MilProgram(package).spec
    (taken,) = spec.description.input
    assert (taken.type.imageType.width, taken.type.imageType.height) == (16, 16)
    assert spec.description.predictedFeatureName == "classLabel"
    assert {out.name for out in spec.description.output} == {"classLabel", "classLabel_probs"}
    assert all(label.encode() in (package / "Data/com.apple.CoreML/model.mlmodel").read_bytes() for label in LABELS)
    assert spec.description.metadata.userDefined["vitnas.arch_id"] == FACTS.arch_id


def test_normalisation_inside_is_that_of_the_data():
    x = pictures(6, seed=2)
    pixels = (x * x.new_tensor(FACTS.std)[:, None, None] + x.new_tensor(FACTS.mean)[:, None, None]) * 255
    expected = answers(small_network(), x).softmax(dim=-1)
    found = answers(from_pixels(folded(), x, FACTS), pixels)
    assert float((found - expected).abs().max()) <= 1e-5


def test_the_device_decides_the_ios(package, tmp_path):
    assert MilProgram(package).spec.specificationVersion == 7  # iOS 16
    phone = CoreML().export(folded(), pictures(4), replace(FACTS, device="iphone12"), tmp_path)
    assert MilProgram(phone).spec.specificationVersion == 9  # iOS 18
    assert FourBit().minimum_ios(None) == 18


def test_eight_bits_halve_the_weights(package, tmp_path):
    small = EightBit().export(folded(), pictures(4), FACTS, tmp_path)
    weights = [size_bytes(path / "Data/com.apple.CoreML/weights") for path in (small, package)]
    assert weights[0] < 0.75 * weights[1]


@pytest.mark.skipif(platform.system() != "Darwin", reason="only a Mac runs packages")
def test_a_mac_predicts_the_same(package):
    CoreML().run(package, pictures(16))
