"""What every kind of layer promises; runs over the table of kinds, so a new one needs no new test."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from tests.contracts.layer_examples import KINDS, Example, each_example, examples_of
from vitnas.latency_lut.runtimes.onnx import open_session, to_onnx
from vitnas.search_spaces import LayerSpec
from vitnas.search_spaces.precision_genes import WEIGHTLESS
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import LAYERS, Layer, build

UNWANTED = {"Gather", "GatherND", "ScatterND", "Einsum", "DFT", "Loop", "Scan", "If", "Col2Im"}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def _lively(layer: Layer) -> Layer:
    """Random everywhere, in evaluation mode: zeros and ones at the start would hide what is not connected."""
    with torch.no_grad():
        for parameter in layer.parameters():
            fan_in = parameter[0].numel() if parameter.ndim > 1 else 4
            parameter.normal_(0, fan_in**-0.5)
        for name, buffer in layer.named_buffers():
            if name in layer.state_dict() and buffer.is_floating_point():
                buffer.uniform_(0.5, 1.5)
    return layer.eval()


def _input(spec: LayerSpec, batch: int = 2) -> Tensor:
    return torch.randn(batch, *spec.in_shape)


def _pairs(example: Example) -> Iterator[tuple[Layer, LayerSpec, Tensor]]:
    layer = _lively(build(example.largest))
    for spec in example.specs:
        yield layer, spec, _input(spec)


def _inside(layer: Layer, spec: LayerSpec) -> dict[str, Tensor]:
    """For each parameter, which of its entries the layer of `spec` takes: found by copying entry numbers."""
    numbered = build(layer.spec)
    with torch.no_grad():
        for parameter in numbered.parameters():
            assert parameter.numel() < 2**24, "numbers above are not exact in fp32; use a smaller example"
            parameter.copy_(torch.arange(parameter.numel()).view_as(parameter))
    masks = {name: torch.zeros(p.numel(), dtype=torch.bool) for name, p in numbered.named_parameters()}
    for name, taken in numbered.narrow(spec).named_parameters():
        masks[name][taken.detach().flatten().long()] = True
    return {name: masks[name].view_as(p) for name, p in numbered.named_parameters()}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_a_documented_layer_with_examples(kind: str) -> None:
    assert issubclass(LAYERS.load(kind), Layer)
    assert LAYERS.load(kind).__doc__
    assert examples_of(kind)


class _Products(TorchFunctionMode):
    """Counts linear maps and convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += getattr(func, "__name__", "") in {"linear", "conv2d"}
        return func(*args, **(kwargs or {}))


@each_example()
def test_a_kind_has_a_precision_exactly_if_it_has_a_product_with_weights(example: Example) -> None:
    for spec in {*example.specs, example.largest}:
        layer = build(spec).eval()
        with _Products() as products, torch.inference_mode():
            layer(_input(spec, 1))
        assert (products.count == 0) == (spec.kind in WEIGHTLESS), spec.key


@each_example()
def test_the_output_has_the_shape_that_the_spec_says(example: Example) -> None:
    for spec in {*example.specs, example.largest}:
        layer = build(spec).eval()
        for batch in (1, 3):
            assert layer(_input(spec, batch)).shape == (batch, *spec.out_shape)


@each_example()
def test_shared_and_stand_alone_layers_answer_the_same(example: Example) -> None:
    for layer, spec, x in _pairs(example):
        alone = layer.narrow(spec)
        with torch.device("meta"):
            expected = build(spec).state_dict()
        assert {n: p.shape for n, p in alone.state_dict().items()} == {n: p.shape for n, p in expected.items()}
        torch.testing.assert_close(alone(x), layer.at(spec)(x), rtol=1e-5, atol=1e-6)


@each_example()
def test_a_stand_alone_layer_keeps_its_weights(example: Example) -> None:
    for layer, spec, x in _pairs(example):
        alone = layer.narrow(spec)
        before = alone(x)
        _lively(layer)
        assert torch.equal(alone(x), before)


@each_example()
def test_slices_of_slices_are_slices(example: Example) -> None:
    for layer, spec, x in _pairs(example):
        between = LayerSpec.join([spec, example.specs[0]])
        torch.testing.assert_close(layer.narrow(between).narrow(spec)(x), layer.narrow(spec)(x))


@pytest.mark.heavy
@each_example()
def test_weights_outside_the_slice_are_never_read(example: Example) -> None:
    for layer, spec, x in _pairs(example):
        inside = _inside(layer, spec)
        expected = layer.narrow(spec)(x)
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                parameter[~inside[name]] = torch.nan
            torch.testing.assert_close(layer.at(spec)(x), expected)
        _lively(layer)


@pytest.mark.heavy
@each_example()
def test_weights_inside_the_slice_do_what_they_do_in_the_stand_alone_layer(example: Example) -> None:
    for layer, spec, x in _pairs(example):
        inside = _inside(layer, spec)
        alone = layer.narrow(spec)
        with torch.no_grad():
            for name, own in alone.named_parameters():
                noise = torch.randn(own.shape) * 0.1
                own += noise
                layer.get_parameter(name)[inside[name]] += noise.flatten()
                torch.testing.assert_close(layer.at(spec)(x), alone(x), rtol=1e-4, atol=1e-4)


@pytest.mark.heavy
@each_example()
def test_gradients_reach_exactly_the_sliced_weights(example: Example) -> None:
    idle: set[str] | None = None
    for layer, spec, x in _pairs(example):
        inside = _inside(layer, spec)
        alone = layer.narrow(spec)
        weight = torch.randn(2, *spec.out_shape)
        layer.zero_grad()
        for module in (layer.at(spec), alone):
            (module(x) * weight).sum().backward()
        expected = {name: p.grad for name, p in alone.named_parameters()}
        for name, parameter in layer.named_parameters():
            found = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            own = expected.get(name)
            assert not found[~inside[name]].any()
            reached = torch.zeros(int(inside[name].sum())) if own is None else own.flatten()
            torch.testing.assert_close(found[inside[name]], reached, rtol=1e-3, atol=1e-3)
        without = {name for name, grad in expected.items() if grad is None or not grad.any()}
        idle = without if idle is None else idle & without
    # Of maps with one place only, a softmax over places has nothing to choose.
    if any(len(spec.in_shape) < 3 or math.prod(spec.in_shape[1:]) > 1 for spec in example.specs):
        assert not idle, "no gradient reaches them at any spec"


@each_example()
def test_two_specs_live_side_by_side(example: Example) -> None:
    layer = _lively(build(example.largest))
    inputs = [_input(spec) for spec in example.specs]
    views = [layer.at(spec) for spec in example.specs]
    together = [view(x) for view, x in zip(views, inputs, strict=True)]
    for spec, x, y in zip(example.specs, inputs, together, strict=True):
        assert torch.equal(y, layer.at(spec)(x))


@each_example()
def test_training_leaves_the_shared_statistics_alone(example: Example) -> None:
    layer = build(example.largest).train()
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    for spec in (*example.specs, example.largest):
        layer.at(spec)(_input(spec))
    for name, buffer in layer.named_buffers():
        assert torch.equal(buffer, before[name]), f"training changed the shared buffer '{name}'"


@each_example()
def test_statistics_can_be_measured_while_all_else_is_as_it_is_deployed(example: Example) -> None:
    """As `recalibrate` does: only the batch norms are in training mode, and each sees what passes it."""
    for layer, spec, x in _pairs(example):
        alone = layer.narrow(spec)
        norms = [module for module in alone.modules() if isinstance(module, _BatchNorm)]
        before = [norm.running_var.clone() for norm in norms]
        for norm in norms:
            norm.train()
        alone(x)
        assert all(not torch.equal(norm.running_var, old) for norm, old in zip(norms, before, strict=True))


@each_example()
def test_an_image_does_not_see_the_others_of_its_batch(example: Example) -> None:
    for layer, spec, x in _pairs(example):
        torch.testing.assert_close(layer.at(spec)(x)[:1], layer.at(spec)(x[:1]), rtol=1e-4, atol=1e-5)


@pytest.mark.heavy
@each_example()
def test_counts_on_the_meta_device_are_those_of_the_real_layer(example: Example) -> None:
    for spec in example.specs:
        layer, counted = build(spec).eval(), count_layer(spec)
        kept = layer.deployed() if layer.fitted or layer.resampled else layer
        assert counted.num_params == sum(p.numel() for p in kept.parameters())
        assert counted.weight_bytes == sum(t.numel() * t.element_size() for t in kept.state_dict().values())
        flops, form = FlopCounterMode(display=False), layer.counted()
        # Fused attention is invisible to the counter, so the plain products are asked for.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), flops:
            form(_input(spec, 1))
        assert counted.macs == flops.get_total_flops() // 2
        in_and_out = 4 * (np.prod(spec.in_shape) + np.prod(spec.out_shape))
        assert counted.activation_bytes >= in_and_out


@each_example()
def test_what_is_counted_computes_the_same(example: Example) -> None:
    for spec in example.specs:
        layer, x = _lively(build(spec)), _input(spec)
        with torch.no_grad():
            torch.testing.assert_close(layer.counted()(x), layer(x), rtol=1e-4, atol=1e-5)


@each_example()
def test_weights_load_from_a_file_of_the_same_spec(example: Example) -> None:
    spec = example.specs[0]
    one, other = _lively(build(spec)), _lively(build(spec))
    other.load_state_dict(one.state_dict(), strict=True)
    x = _input(spec)
    assert torch.equal(one(x), other(x))


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_exports_to_onnx_with_the_same_answers(kind: str, tmp_path: Path) -> None:
    """A slice, as it is what deployment exports; one for each kind, because converting takes seconds."""
    example = examples_of(kind)[0]
    spec = example.specs[0]
    alone: Callable[[Tensor], Tensor] = (module := nn.Sequential(_lively(build(example.largest)).narrow(spec)))
    x = _input(spec, 1)
    to_onnx(module, x, tmp_path / "layer.onnx")
    graph = onnx.shape_inference.infer_shapes(onnx.load(tmp_path / "layer.onnx")).graph
    assert not UNWANTED & {node.op_type for node in graph.node}, "not every runtime has them; write it another way"
    assert all(len(value.type.tensor_type.shape.dim) <= 5 for value in graph.value_info), "Core ML stops at rank 5"
    session = open_session(tmp_path / "layer.onnx", threads=1)
    (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    torch.testing.assert_close(torch.from_numpy(y), alone(x).detach(), rtol=1e-4, atol=1e-4)
