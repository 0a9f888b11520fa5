"""An int8 file multiplies integers in any session, and is refused where it would not."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from tests.deployment.exporters.small_network import FACTS, folded, pictures
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.deployment.exporters.onnx_int8 import PRODUCTS, DynamicInt8, Int8, integer_products
from vitnas.errors import ExportError
from vitnas.latency_lut.runtimes.onnx import executed_operators


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("files")
    return {kind: kind().export(folded(), pictures(32), FACTS, folder) for kind in (Onnx, Int8, DynamicInt8)}


def test_static_int8_leaves_no_product_in_float(files):
    operators = executed_operators(files[Int8])
    assert not [name for name in operators if name.endswith(PRODUCTS) and not name.startswith("Q")]
    products = sum(node.op_type in PRODUCTS for node in onnx.load(files[Onnx]).graph.node)
    # Three convolutions, six products in the attention, a head.
    assert integer_products(files[Int8]) == products == 10


def test_dynamic_int8_takes_the_linear_layers(files):
    assert integer_products(files[DynamicInt8]) == 3
    assert integer_products(files[Onnx]) == 0


def test_weights_take_a_quarter(files):
    sizes = {
        kind: sum(
            onnx.numpy_helper.to_array(weight).nbytes
            for weight in onnx.load(path).graph.initializer
            if len(weight.dims) > 1
        )
        for kind, path in files.items()
    }
    assert sizes[Int8] <= 0.3 * sizes[Onnx]


def test_a_file_that_would_run_in_float_is_refused(tmp_path):
    class Forgotten(Int8):
        def quantise(self, path, example, reduced):
            return 9

    with pytest.raises(ExportError, match=r"would run 9 of 9 products of the int8 file in float.*export 'onnx'"):
        Forgotten().export(folded(), pictures(2), FACTS, tmp_path)


RUN = """
import sys, numpy as np, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level = 1, 3
for file in sys.argv[2:]:
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    np.save(file + ".npy", session.run(None, {"image": np.load(sys.argv[1])})[0])
"""
QEMU = shutil.which("qemu-x86_64")


@pytest.mark.parametrize("kind", [Int8, DynamicInt8])
@pytest.mark.parametrize("asked", ["full", "reduced"])
def test_weights_keep_to_the_range_that_is_asked_for(tmp_path, kind, asked):
    exporter = kind()
    exporter.int8_range = asked
    path = exporter.export(folded(), pictures(8), FACTS, tmp_path)
    weights = [onnx.numpy_helper.to_array(w) for w in onnx.load(path).graph.initializer]
    reached = max(int(np.abs(w.astype(int)).max()) for w in weights if w.dtype == np.int8)
    assert reached == (127 if asked == "full" else 64)
    assert exporter.weights().bits == (8 if asked == "full" else 7)


@pytest.mark.skipif(
    QEMU is None or platform.machine() != "x86_64", reason="qemu-x86_64 is not here, or this is no x86 machine"
)
@pytest.mark.parametrize("kind", [Int8, DynamicInt8])
def test_where_sums_saturate_the_reduced_range_is_right(tmp_path, kind):
    network, x, files = folded(), pictures(64, seed=5), {}
    np.save(tmp_path / "x.npy", x.numpy())
    for asked in ("full", "reduced"):
        exporter = kind()
        exporter.int8_range = asked
        (tmp_path / asked).mkdir()
        files[asked] = exporter.export(network, pictures(64), FACTS, tmp_path / asked)
    with torch.no_grad():
        y = network(x).numpy()
    off = {}
    for processor, emulated in (("this one", []), ("Haswell", [str(QEMU), "-cpu", "Haswell"])):
        command = [*emulated, sys.executable, "-c", RUN, str(tmp_path / "x.npy"), *map(str, files.values())]
        subprocess.run(command, check=True, capture_output=True, timeout=250)
        for asked, path in files.items():
            off[processor, asked] = float(np.abs(np.load(f"{path}.npy") - y).mean())
    assert off["Haswell", "full"] > 2 * off["Haswell", "reduced"]
    assert off["Haswell", "reduced"] < 1.5 * off["this one", "reduced"]
