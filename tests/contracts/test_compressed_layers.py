"""Every kind of layer that has products with weights is exported to ONNX at a precision, and computed there as it is asked to be."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.contracts.layer_examples import KINDS, examples_of
from tests.deployment.exporters.small_network import FACTS, with_statistics
from vitnas.deployment.compressed.network import reference
from vitnas.deployment.exporters.onnx import Onnx
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, compare
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.counting.counts import count_in_float
from vitnas.supernets.supernet import build_network

FAST = [("w7a8", "recursive_block")]
"""The only kind that multiplies by a weight more than once."""
ALONE = type(FACTS)("by-hand", "0123", "noise", (), (), 0)
PRECISIONS = ("w7a8", "w4")
MEAN = 0.02


def spec_of(kind: str) -> LayerSpec:
    """The smallest example with products; of a block that is computed several times, one that is."""
    found = [spec for example in examples_of(kind) for spec in example.specs if dict(spec.attrs).get("loops", 2) > 1]
    return min(found, key=lambda spec: count_in_float(spec).macs)


WITH_PRODUCTS = [kind for kind in KINDS if count_in_float(spec_of(kind)).products]


@pytest.mark.parametrize(
    ("precision", "kind"),
    [
        pytest.param(precision, kind, marks=pytest.mark.heavy if (precision, kind) in FAST else pytest.mark.nightly)
        for kind in WITH_PRODUCTS
        for precision in PRECISIONS
    ],
)
def test_every_kind_is_computed_as_asked(kind: str, precision: str, tmp_path: Path) -> None:
    spec = spec_of(kind)
    torch.manual_seed(0)
    network = build_network(Blueprint.single(spec)).eval()
    with_statistics(network)
    for weight in network.parameters():
        if weight.ndim > 1:
            nn.init.normal_(weight, std=0.2)
    x = torch.randn(8, *spec.in_shape)
    low = reference(fold(network, x[:2]), Blueprint.single(spec.at(precision)), x, "L0")
    assert low is not None
    path = Onnx().export(low.network, x, ALONE, tmp_path)
    assert Onnx().strays(path, low.network) == {}
    expected = answers(low.network, x).flatten(1)
    found = Onnx().run(path, x).flatten(1)
    assert compare(expected, found, expected.argmax(dim=1)).mean_difference <= MEAN
