"""An int8 figure is one only if integers were multiplied."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from vitnas.errors import DeviceError
from vitnas.latency_lut.runtimes.onnx import INPUT, OUTPUT, executed_operators
from vitnas.latency_lut.runtimes.onnx_runtime import PRODUCTS, WITHOUT_FUSION, OnnxRuntimeInt8, is_integer
from vitnas.search_spaces import Blueprint, LayerSpec, load_space

POOLING = Blueprint.single(LayerSpec.of("pool_mixing", (8, 6, 6), (8, 6, 6)))


def networks():
    for name in ("autoformer-mini", "efficientformer"):
        space = load_space(name)
        yield pytest.param(space.lower(space.smallest()), id=name)
    space = load_space("elasticvit")
    spec = next(s for s in space.lowering.specs if s.kind == "value_conv_attention")
    yield pytest.param(Blueprint.single(spec), id=spec.kind)


@pytest.mark.parametrize("blueprint", list(networks()))
def test_onnx_runtime_multiplies_integers_only(tmp_path, blueprint):
    runtime = OnnxRuntimeInt8(tmp_path, 1, 1)
    assert runtime.load(blueprint).stopwatch(1) > 0
    executed = executed_operators(runtime.file(blueprint), without=WITHOUT_FUSION)
    products = [name for name in executed if name.endswith(tuple(PRODUCTS))]
    assert products
    assert all(map(is_integer, products))


def test_a_layer_without_products_is_no_int8_failure(tmp_path):
    assert OnnxRuntimeInt8(tmp_path, 1, 1).load(POOLING).stopwatch(1) > 0


def test_a_product_that_stays_float_is_refused(tmp_path, monkeypatch):
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], np.eye(4, dtype=np.float32).ravel())
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 4]) for n in (INPUT, OUTPUT)]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [INPUT, "w"], [OUTPUT])], "g", values[:1], values[1:], [weight]
    )
    path = tmp_path / "float.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    runtime = OnnxRuntimeInt8(tmp_path, 1, 1)
    monkeypatch.setattr(runtime, "file", lambda blueprint: path)
    layer = Blueprint.single(LayerSpec.of("classifier", (4, 4), (4,), pool="mean"))
    with pytest.raises(DeviceError, match=r"ONNX Runtime would run .* of \[classifier\] in float .*: 1 MatMul"):
        runtime.session(layer, path)


def test_openvino_multiplies_weights_in_integers_or_refuses(tmp_path):
    pytest.importorskip("openvino")
    from vitnas.latency_lut.runtimes.openvino import OpenVino, OpenVinoInt8

    layer = Blueprint.single(LayerSpec.of("feed_forward", (65, 96), (65, 96), hidden=384))
    runtime = OpenVinoInt8(tmp_path, 1, 1)
    assert runtime.load(layer).stopwatch(1) > 0
    assert runtime.load(POOLING).stopwatch(1) > 0
    floats = OpenVino(tmp_path, 1, 1).file(layer)
    with pytest.raises(
        DeviceError, match=r"OpenVINO would run .* of \[feed_forward\] in float .*: 2 FullyConnected in f32"
    ):
        runtime.compiled(layer, floats)


def test_openvino_does_not_take_bf16_by_itself(tmp_path):
    pytest.importorskip("openvino")
    from vitnas.latency_lut.runtimes.openvino import WITH_WEIGHTS, OpenVino

    layer = Blueprint.single(LayerSpec.of("feed_forward", (65, 96), (65, 96), hidden=384))
    runtime = OpenVino(tmp_path, 1, 1)
    told = [op.get_rt_info() for op in runtime.compiled(layer, runtime.file(layer)).get_runtime_model().get_ops()]
    kinds = {t["runtimePrecision"].astype(str) for t in told if t["layerType"].astype(str) in WITH_WEIGHTS}
    assert kinds == {"f32"}
