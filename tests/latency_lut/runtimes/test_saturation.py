"""Int8 sums are exact, or the processor is known to saturate and weights take 7 bits."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from tests.latency_lut.test_table import make_table
from vitnas.errors import DeviceError
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.devices.cpu import CPUInt8
from vitnas.latency_lut.runtimes import onnx_runtime
from vitnas.latency_lut.runtimes.saturation import (
    EXACT,
    STEP,
    SelfTest,
    WeightRange,
    onnx_runtime_test,
    openvino_test,
    weight_range,
)
from vitnas.search_spaces import Blueprint, LayerSpec

QEMU = shutil.which("qemu-x86_64")
SOUND = SelfTest("a runtime", {"MatMul": EXACT, "Conv": EXACT + STEP / 4})
SATURATED = SelfTest("a runtime", {"MatMul": EXACT, "Conv": 64 // 2 * (2**15 - 1)})


def test_the_self_test_computes_the_sum_or_one_that_was_cut_off():
    found = onnx_runtime_test()
    assert found.runtime == f"ONNX Runtime {onnxruntime.__version__}"
    assert set(found.sums) == {"MatMul", "Conv"}
    cut_off = 64 // 2 * (2**15 - 1)
    for value in found.sums.values():
        assert min(abs(value - EXACT), abs(value - cut_off)) <= STEP / 2
    assert onnx_runtime_test() is found


def test_a_sum_that_was_cut_off_is_seen():
    assert not SOUND.saturates
    assert SATURATED.saturates
    assert "Conv sums 64 products of 255 and 127 to 1,048,544 instead of 2,072,640" in str(SATURATED)


@pytest.mark.parametrize(
    ("asked", "test", "bits", "why"),
    [
        ("auto", SOUND, 8, "this processor's kernels do not saturate"),
        ("auto", SATURATED, 7, "this processor's kernels saturate"),
        ("full", SOUND, 8, "as asked, and this processor's kernels do not saturate"),
        ("full", SATURATED, 8, "as asked, although this processor's kernels saturate"),
        ("reduced", SOUND, 7, "as asked, although this processor's kernels do not saturate"),
        ("reduced", SATURATED, 7, "as asked, and this processor's kernels saturate"),
    ],
)
def test_the_self_test_decides_unless_a_range_is_asked_for(asked, test, bits, why):
    assert weight_range(asked, test) == WeightRange(bits, why)


def weights(path):
    """The int8 constants of a file that are no zero points."""
    arrays = [numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer]
    return [a for a in arrays if a.dtype == np.int8 and a.ndim > 1]


@pytest.mark.parametrize(("test", "largest"), [(SOUND, 127), (SATURATED, 64)])
def test_files_for_measuring_follow_the_self_test(tmp_path, monkeypatch, test, largest):
    monkeypatch.setattr(onnx_runtime, "onnx_runtime_test", lambda: test)
    spec = LayerSpec.of("attention", (17, 64), (17, 64), heads=4, head_width=16, reach=2)  # with a table of offsets
    found = weights(onnx_runtime.OnnxRuntimeInt8(tmp_path, 1, 1).file(Blueprint.single(spec)))
    assert len(found) > 1
    assert max(int(np.abs(a.astype(int)).max()) for a in found) == largest


def table_of(fingerprint):
    table = make_table()
    return dataclasses.replace(table, header=dataclasses.replace(table.header, fingerprint=fingerprint))


def test_tables_of_a_processor_that_saturates_are_of_another_device():
    sound, saturated = (
        type("Device", (CPUInt8,), {"self_test": staticmethod(lambda found=found: found)})()
        for found in (SOUND, SATURATED)
    )
    assert sound.fingerprint()["int8_range"] == "full"
    assert saturated.fingerprint()["int8_range"] == "reduced"
    for own, other in ((sound, saturated), (saturated, sound)):
        table = table_of(own.fingerprint())
        table.check_fingerprint(own.fingerprint())
        with pytest.raises(DeviceError, match="int8_range"):
            table.check_fingerprint(other.fingerprint())
    old = {name: value for name, value in sound.fingerprint().items() if name != "int8_range"}
    table_of(old).check_fingerprint(sound.fingerprint())
    with pytest.raises(DeviceError, match="int8_range 'full' here, 'reduced' there"):
        table_of(old).check_fingerprint(saturated.fingerprint())


def test_devices_of_floats_have_no_int8_range():
    assert "int8_range" not in load_device("cpu").fingerprint()
    assert "int8_range" in load_device("cpu-int8").fingerprint()
    assert load_device("cpu-openvino-int8").fingerprint()["precision"] == "int8"


def test_openvino_tests_itself():
    pytest.importorskip("openvino")
    assert set(openvino_test().sums) == {"MatMul", "Conv"}


PROGRAM = """
import importlib.util, json, sys
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.runtimes import saturation
tests = [saturation.onnx_runtime_test]
tests += [saturation.openvino_test] * (importlib.util.find_spec("openvino") is not None)
print(json.dumps([{"sums": t().sums, "auto": saturation.weight_range("auto", t()).bits} for t in tests]))
print(load_device("cpu-int8").fingerprint()["int8_range"], "torch" in sys.modules)
"""


@pytest.mark.skipif(
    QEMU is None or platform.machine() != "x86_64", reason="qemu-x86_64 is not here, or this is no x86 machine"
)
@pytest.mark.parametrize("processor", ["Haswell", "Skylake-Client"])
def test_a_processor_without_vnni_saturates(processor):
    done = subprocess.run(
        [str(QEMU), "-cpu", processor, sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    tests, told = done.stdout.strip().splitlines()
    for found in json.loads(tests):
        assert found["auto"] == 7
        assert all(abs(value - 1_048_544) <= STEP / 2 for value in found["sums"].values())
    assert told == "reduced False"
