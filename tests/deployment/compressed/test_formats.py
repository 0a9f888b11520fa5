"""Every format that takes precisions computes the network at its precisions: a transformer, and a hybrid with a bridge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import onnx
import pytest
import torch
from onnx import numpy_helper

from tests.deployment.compressed.networks import at, folded, images
from tests.deployment.exporters.small_network import FACTS, pictures
from vitnas.deployment.compressed.limits import limits_at
from vitnas.deployment.compressed.network import reference
from vitnas.deployment.compressed.onnx_graph import KERNEL
from vitnas.deployment.compressed.proof import proof_of
from vitnas.deployment.exporters import EXPORTERS, Exporter
from vitnas.deployment.exporters.exporter import EXACT, ROUNDED
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, compare
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.search_spaces.precision import Precision
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.supernet import build_network

MIXED = {
    "transformer": (("attention", "w7a8"), ("ffn", "w4"), ("ffn2", "w8")),
    "hybrid": (("bridge", "w7a8"), ("local", "w6")),
}
PALETTES = {"transformer": (("attention", "p4"), ("ffn", "p5")), "hybrid": (("bridge", "p6"), ("local", "w7a8"))}
DENSE = MIXED | {"hybrid": (("stem", "w6"), ("bridge", "w7a8"), ("local", "w7a8"))}
"""OpenVINO keeps the weights of a depthwise convolution in float unless it multiplies integers."""
CHOICES = {
    "onnx": MIXED,
    "openvino": DENSE,
    "torch": PALETTES,
    "coreml": PALETTES | {"transformer": MIXED["transformer"]},
}
SLOW = pytest.mark.slow
ALONE = replace(FACTS, labels=())
MEAN, LARGEST = 0.02, 0.2
"""In units of the logits; a value between two steps may become either, and one step of a convolution's bytes is that much."""


def test_formats_say_what_they_take():
    assert {name for name in EXPORTERS.names() if not EXPORTERS.load(name)().refuses(Precision.of("w7a8"))} == {
        *CHOICES
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], tuple[Exporter, Path]]:
    """Writes each file once."""

    @cache
    def write(name: str, network: str) -> tuple[Exporter, Path]:
        exporter = EXPORTERS.load(name)()
        if missing := exporter.missing():
            pytest.skip(missing)
        reference = at(network, *CHOICES[name][network]).network
        return exporter, exporter.export(reference, images(), FACTS, tmp_path_factory.mktemp(name))

    return write


@pytest.mark.heavy
@pytest.mark.parametrize("network", ["transformer", pytest.param("hybrid", marks=SLOW)])
@pytest.mark.parametrize("name", [*CHOICES])
def test_is_the_network_at_its_precisions(name, network, written):
    reference = at(network, *CHOICES[name][network]).network
    exporter, path = written(name, network)
    strays = exporter.strays(path, reference)
    assert strays == {}
    asked = len(CHOICES[name][network])
    assert proof_of(reference, strays) == {"asked": asked, "as_asked": asked}
    for n in (1, 40):
        x = pictures(n, seed=n)
        expected = answers(reference, x)
        parity = compare(expected, exporter.run(path, x), expected.argmax(dim=1))
        assert parity.mean_difference <= MEAN
        assert parity.max_difference <= LARGEST < ROUNDED.max_difference
        off = compare(answers(folded(network), x), expected, expected.argmax(dim=1))
        assert parity.mean_difference < off.mean_difference  # the file is nearer to its network than that is to float


@pytest.mark.slow
def test_openvino_adds_bytes_to_what_others_read(tmp_path):
    """So it does since scales are folded."""
    exporter, reference = EXPORTERS.load("openvino")(), at("residual", ("first", "w7a8"), ("second", "w7a8")).network
    if missing := exporter.missing():
        pytest.skip(missing)
    path = exporter.export(reference, images(), FACTS, tmp_path)
    expected = answers(reference, images())
    assert compare(expected, exporter.run(path, images()), expected.argmax(dim=1)).mean_difference <= MEAN
    assert exporter.strays(path, reference) == {}


@pytest.fixture
def file(written) -> Path:
    return written("onnx", "transformer")[1]


@pytest.mark.heavy
def test_a_file_in_float_is_found_out(tmp_path):
    """So the proof can fail, and says which layers it is."""
    reference = at("transformer", *MIXED["transformer"]).network
    path = Onnx().export(folded("transformer"), images(), FACTS, tmp_path)
    assert Onnx().strays(path, reference) == {
        "attention": "ONNX Runtime computes 2 of 2 products in float",
        "ffn": "the file keeps 2 of 2 weights in 32 bits",
        "ffn2": "the file keeps 2 of 2 weights in 32 bits",
    }


@pytest.mark.heavy
def test_a_product_that_would_run_in_float_is_found_out(file, tmp_path):
    model = onnx.load(file)
    (product,) = (node for node in model.graph.node if node.name == "attention/1")
    made_by = {name: node for node in model.graph.node for name in node.output}
    product.input[0] = made_by[made_by[product.input[0]].input[0]].input[0]  # past quantise and dequantise
    onnx.save(model, tmp_path / "tampered.onnx")
    reference = at("transformer", *MIXED["transformer"]).network
    assert Onnx().strays(tmp_path / "tampered.onnx", reference) == {
        "attention": "ONNX Runtime computes 1 of 2 products in float"
    }


@pytest.mark.heavy
def test_weights_take_the_bytes_that_were_asked_for(file):
    model = onnx.load(file)
    kept = {weight.name: numpy_helper.to_array(weight).nbytes for weight in model.graph.initializer}
    assert kept["attention.product0_steps"] == 3 * 32 * 40
    assert kept["ffn2.product0_steps"] == 64 * 40
    assert kept["ffn.product0_blocks_packed"] == 64 * 2 * 32 // 2  # 40 inputs are two blocks
    assert kept["ffn.product1_blocks_packed"] == 40 * 64 // 2
    assert sum(node.op_type == KERNEL for node in model.graph.node) == 2


@pytest.mark.slow
def test_a_file_is_as_large_as_it_is_counted(tmp_path):
    """Whatever the bits are called, and with weights large enough to be most of a file."""
    spec = LayerSpec.of("feed_forward", (5, 64), (5, 64), hidden=512)
    network = fold(build_network(Blueprint.single(spec)).eval(), torch.zeros(2, *spec.in_shape))
    for precision in ("w8", "w6", "w4a8", "w4", "w3"):
        low = spec.at(precision)
        found = reference(network, Blueprint.single(low), torch.randn(8, *spec.in_shape), "L0")
        (tmp_path / precision).mkdir()
        path = Onnx().export(found.network, torch.zeros(2, *spec.in_shape), ALONE, tmp_path / precision)
        assert 0.9 <= path.stat().st_size / count_layer(low).weight_bytes <= 1.1, precision


@pytest.mark.heavy
def test_nothing_is_kept_that_no_answer_rests_on(file):
    graph = onnx.load(file).graph
    read = {name for node in graph.node for name in node.input} | {answer.name for answer in graph.output}
    assert all(read & {*node.output} for node in graph.node)
    assert all(weight.name in read for weight in graph.initializer)


@pytest.mark.heavy
def test_activations_that_a_kernel_rounds_besides_are_told(file):
    """Of weights in bytes it does; those in blocks ask for numbers in full."""
    assert Onnx().rounds_besides(file, at("transformer", *MIXED["transformer"]).network) == ["ffn2"]


@pytest.mark.parametrize("network", ["transformer", "hybrid"])
def test_limits_are_of_the_size_of_what_the_precisions_change(network):
    x = images()
    in_float, low = answers(folded(network), x), answers(at(network, *MIXED[network]).network, x)
    limits = limits_at(EXACT, in_float, low)
    labels = low.argmax(dim=1)
    off = compare(in_float, low, in_float.argmax(dim=1))
    assert off.mean_difference < limits.mean_difference <= min(ROUNDED.mean_difference, 3 * off.mean_difference)
    assert compare(low, low * (1 + 2 * limits.mean_difference), labels).breaches(
        limits
    )  # as where a layer in float is off
    one = answers(at(network, MIXED[network][-1]).network, x)
    assert limits_at(EXACT, in_float, one).mean_difference < limits.mean_difference
    assert limits_at(EXACT, in_float, in_float).max_difference == EXACT.max_difference


@pytest.mark.parametrize(
    ("format", "precision", "reason"),
    [
        ("onnx", "p4", "no processor's runtime reads palettes; Core ML does"),
        ("onnx", "w4a4", "no processor multiplies integers of 4 bits; they can be simulated only"),
        ("coreml", "w4a4", "Core ML multiplies no integers of 4 bits; they can be simulated only"),
        ("onnx-int8", "w8a8", "it computes every layer in int8, whatever the arch says"),
        ("coreml-palette", "p6", "it compresses every weight in one way, whatever the arch says"),
        ("litert", "w8", "it keeps every layer in float"),
    ],
)
def test_what_a_format_does_not_take_it_says(format, precision, reason):
    assert EXPORTERS.load(format)().refuses(Precision.of(precision)) == reason
