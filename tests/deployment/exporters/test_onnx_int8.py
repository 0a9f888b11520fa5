"""An int8 file multiplies integers in any session, and is refused where it would not."""

from __future__ import annotations

import onnx
import pytest

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
        def quantise(self, path, example):
            return 9

    with pytest.raises(ExportError, match=r"would run 9 of 9 products of the int8 file in float.*export 'onnx'"):
        Forgotten().export(folded(), pictures(2), FACTS, tmp_path)
