"""A layer that is to multiply integers does so where it has weights, and a network of both is the sum of its layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.contracts.layer_examples import Example, each_example
from vitnas.errors import DeviceError
from vitnas.latency_lut.runtimes.mixed import check_integers, products_in_integers
from vitnas.latency_lut.runtimes.onnx import INPUT, executed_operators, open_session
from vitnas.latency_lut.runtimes.onnx_runtime import WITHOUT_FUSION, OnnxRuntime, is_integer, weights_in_integers
from vitnas.latency_lut.runtimes.saturation import onnx_runtime_test
from vitnas.search_spaces import Blueprint, LayerSpec, load_space
from vitnas.search_spaces.precision_genes import WEIGHTLESS

INTEGERS = "w7a8" if onnx_runtime_test().saturates else "w8a8"


def _mixed(name: str, seed: int) -> Blueprint:
    space = load_space(name).compressed([INTEGERS])
    return space.lower(space.sample(1, np.random.default_rng(seed))[0])


@pytest.mark.slow
@each_example()
def test_onnx_runtime_multiplies_the_weights_of_every_kind_in_integers(example: Example, tmp_path: Path) -> None:
    spec = example.specs[0]
    if spec.kind in WEIGHTLESS:
        pytest.skip("it has no product with weights")
    assert OnnxRuntime(tmp_path, 1, 1).load(Blueprint.single(spec.at("w7a8"))).stopwatch(1) > 0


@pytest.mark.parametrize("name", ["autoformer-mini", pytest.param("tinyvit", marks=pytest.mark.heavy)])
def test_a_mixed_network_runs_the_operators_of_its_layers(name: str, tmp_path: Path) -> None:
    blueprint = _mixed(name, 0)
    assert len({spec.precision for spec in blueprint}) == 2
    runtime = OnnxRuntime(tmp_path, 1, 1)
    assert runtime.load(blueprint).stopwatch(1) > 0
    _, graph = runtime.quantised(runtime.file(blueprint))
    assert sum(weights_in_integers(graph).values()) == products_in_integers(blueprint) > 0
    whole = executed_operators(runtime.file(blueprint), WITHOUT_FUSION)
    parts = sum((_operators(runtime, spec) for spec in blueprint), start=type(whole)())
    for name in ("Gemm", "FusedConv", "Conv", "FusedMatMul", "QGemm", "QLinearConv"):
        assert whole[name] == parts[name]


def _operators(runtime: OnnxRuntime, spec: LayerSpec):  # type: ignore[no-untyped-def]
    without = () if spec.precision == "float" else WITHOUT_FUSION
    return executed_operators(runtime.file(Blueprint.single(spec)), without)


def test_edges_are_floats_and_products_of_activations_stay_float(tmp_path: Path) -> None:
    spec = LayerSpec.of("attention", (5, 12), (5, 12), heads=3, head_width=4, reach=0)
    runtime = OnnxRuntime(tmp_path, 1, 1)
    path = runtime.file(Blueprint.single(spec.at("w7a8")))
    session = open_session(path, 1, without=WITHOUT_FUSION)
    assert {value.type for value in (*session.get_inputs(), *session.get_outputs())} == {"tensor(float)"}
    executed = executed_operators(path, WITHOUT_FUSION)
    assert sum(n for name, n in executed.items() if name.endswith("MatMul") and not is_integer(name)) == 2
    weights = [one for one in onnx.load(path).graph.initializer if one.data_type == onnx.TensorProto.INT8 and one.dims]
    largest = max(np.abs(onnx.numpy_helper.to_array(one)).max() for one in weights)
    assert largest <= 64
    x = np.random.default_rng(0).standard_normal((1, 5, 12), dtype=np.float32)
    floats = open_session(runtime.file(Blueprint.single(spec)), 1)
    np.testing.assert_allclose(session.run(None, {INPUT: x})[0], floats.run(None, {INPUT: x})[0], atol=0.2)


def test_float_layers_are_as_they_were(tmp_path: Path) -> None:
    space = load_space("autoformer-mini")
    blueprint = space.lower(space.smallest())
    runtime = OnnxRuntime(tmp_path, 1, 1)
    assert products_in_integers(blueprint) == 0
    assert not any(map(is_integer, executed_operators(runtime.file(blueprint))))


@pytest.mark.parametrize("executed", [{}, {"QGemm": 1}, {"QGemm": 2, "QLinearConv": 1}])
def test_another_number_of_integer_products_is_refused(executed: dict[str, int]) -> None:
    spec = LayerSpec.of("feed_forward", (5, 12), (5, 12), hidden=24, act="gelu")
    check_integers("ONNX Runtime", Blueprint.single(spec.at("w8a8")), {"QGemm": 2})
    with pytest.raises(
        DeviceError, match=r"would run \d products in integers where 2 with weights of \[feed_forward\]"
    ):
        check_integers("ONNX Runtime", Blueprint.single(spec.at("w8a8")), executed)


def test_integers_that_no_processor_multiplies_are_refused(tmp_path: Path) -> None:
    spec = LayerSpec.of("feed_forward", (5, 12), (5, 12), hidden=24)
    for name in ("w4a8", "w8", "p4"):
        with pytest.raises(DeviceError, match="take w8a8 or w7a8"):
            OnnxRuntime(tmp_path, 1, 1).file(Blueprint.single(spec.at(name)))


def test_openvino_multiplies_weights_of_mixed_networks_in_integers(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    from vitnas.latency_lut.runtimes.openvino import OpenVino

    assert OpenVino(tmp_path, 1, 1).load(_mixed("autoformer-mini", 0)).stopwatch(1) > 0
