"""LiteRT and its converter: a stand-in for it up to the wire, and the real one where an environment has it."""

import os
import sys

import numpy as np
import pytest
import torch

from vitnas.errors import DeviceError, ExportError
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.litert import CONVERTER
from vitnas.latency_lut.runtimes.litert_files import LiteRTFiles
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.supernet import build_network

SPEC = LayerSpec.of("classifier", (5, 4), (3,), pool="mean")
LAYER = Blueprint.single(SPEC)


def test_the_converter_is_asked_in_its_own_python(converter, tmp_path):
    files = LiteRTFiles(tmp_path)
    made = [files.file(LAYER), files.file(Blueprint((), ()))]
    assert [path.read_text() for path in made] == ["23 [1, 3]", "0 [1, 1]"]
    assert list(tmp_path.glob("*.pt2")) == []


def test_a_missing_converter_is_named_with_its_remedy(tmp_path, monkeypatch):
    for python, why in (("/no/such/python", "cannot be started"), (sys.executable, "No module named 'litert_torch'")):
        monkeypatch.setenv(CONVERTER, python)
        with pytest.raises(DeviceError, match=f"no litert-torch to write LiteRT files with: .*{why}.*set {CONVERTER}="):
            LiteRTFiles(tmp_path)
    monkeypatch.delenv(CONVERTER)
    with pytest.raises(DeviceError, match="it is not installed beside vitnas"):
        LiteRTFiles(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_layer_that_litert_cannot_have_is_named(converter, tmp_path):
    converter.write_text("def convert(module, inputs):\n    raise ValueError('no gelu')\n")
    files = LiteRTFiles(tmp_path)
    with pytest.raises(
        ExportError, match="LiteRT has no 'classifier': litert-torch cannot convert it: ValueError: no gelu"
    ):
        files.file(LAYER)


@pytest.mark.slow
@pytest.mark.skipif(CONVERTER not in os.environ, reason=f"{CONVERTER} names no Python with litert-torch")
def test_a_real_conversion_computes_the_same_and_is_timed(tmp_path):
    interpreter_module = pytest.importorskip("ai_edge_litert.interpreter")
    x = np.random.default_rng(0).standard_normal((1, 5, 4), dtype=np.float32)
    path = LiteRTFiles(tmp_path).file(LAYER)
    interpreter = interpreter_module.Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    found = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    torch.manual_seed(0)
    with torch.no_grad():
        expected = build_network(LAYER).eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-5)
    brief = TimingSettings(block_ms=1, blocks=4, warmup_ms=2, max_warmup_ms=10)
    idle, timed = load_device("cpu-litert").time([Blueprint((), ()), LAYER], brief)
    assert 0 < idle.median_ms < timed.median_ms
