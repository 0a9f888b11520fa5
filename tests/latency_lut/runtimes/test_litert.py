"""LiteRT up to its converter, which needs an environment of its own."""

import sys
from importlib import util

import pytest

from vitnas.errors import DeviceError
from vitnas.search_spaces import Blueprint, LayerSpec

LAYER = Blueprint.single(LayerSpec.of("classifier", (5, 4), (3,), pool="mean"))


def test_a_converter_that_is_not_there_is_named(tmp_path, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    from vitnas.latency_lut.runtimes.litert import convert

    monkeypatch.setenv("VITNAS_LITERT_PYTHON", str(tmp_path / "python"))
    with pytest.raises(DeviceError, match=r"VITNAS_LITERT_PYTHON=.*python cannot be run: No such file"):
        convert(LAYER, 1, tmp_path / "layer.tflite")
    if util.find_spec("litert_torch") is None:
        monkeypatch.setenv("VITNAS_LITERT_PYTHON", sys.executable)
        with pytest.raises(DeviceError, match=r"No module named 'litert_torch'; it needs 'litert-torch'.*of its own"):
            convert(LAYER, 1, tmp_path / "layer.tflite")
    assert list(tmp_path.iterdir()) == []
