"""Networks that leave tokens out, in every format: graphs are static, and each chooses the tokens that the network chooses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.deployment.exporters.small_network import FACTS, pictures
from vitnas.deployment.exporters import EXPORTERS
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, compare
from vitnas.search_spaces import Blueprint, LayerSpec
from vitnas.supernets.supernet import build_network

HEADS = {"heads": 2, "head_width": 16}


def reducing(by: str) -> Blueprint:
    """16 patches become 9 and then 3, the second time by several rounds of merging, or windows of 2x2."""
    stem = LayerSpec.of("patch_embedding", (3, 16, 16), (17, 32), patch=4)
    if by == "window":
        layers = [LayerSpec.of("window_merging", (17, 32), (5, 32), columns=4, down=2, across=2)]
    else:
        layers = [
            LayerSpec.of("reducing_attention", (1 + before, 32), (1 + after, 32), by=by, **HEADS)
            for before, after in ((16, 9), (9, 3))
        ]
    head = LayerSpec.of("classifier", layers[-1].out_shape, (5,), pool="class")
    last = LayerSpec.of("attention", layers[-1].out_shape, layers[-1].out_shape, reach=0, **HEADS)
    specs = (stem, *layers, last, head)
    return Blueprint(tuple(f"layer{i}" for i in range(len(specs))), specs)


EACH_FORMAT = [
    pytest.param(name, marks=pytest.mark.heavy if name == "onnx" else pytest.mark.slow) for name in EXPORTERS.names()
]


@pytest.mark.parametrize("name", EACH_FORMAT)
@pytest.mark.parametrize("by", ["keep", "merge", "window"])
def test_a_format_answers_as_the_network(by: str, name: str, tmp_path: Path) -> None:
    exporter = EXPORTERS.load(name)()
    if missing := exporter.missing():
        pytest.skip(missing)
    torch.manual_seed(3)
    network = build_network(reducing(by)).eval()
    x = pictures(24)
    path = exporter.export(fold(network, x), x, FACTS, tmp_path)
    expected, found = answers(network, x), exporter.run(path, x)
    parity = compare(expected, found, expected.argmax(dim=1))
    # A choice that is rounded otherwise may move one answer by far; most images have no such choice.
    typical = float((expected - found).abs().amax(dim=1).median() / expected.square().mean().sqrt())
    assert typical <= exporter.limits.max_difference
    if exporter.limits.max_difference <= 1e-4:
        assert parity.max_difference <= exporter.limits.max_difference
