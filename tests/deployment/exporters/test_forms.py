"""Every form of layer that a built-in space uses reaches ONNX and Core ML, alone and at full size."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest
import torch
from torch import nn

from tests.deployment.exporters.small_network import FACTS, with_statistics
from vitnas.deployment.exporters import EXPORTERS
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, compare
from vitnas.search_spaces import SPACES, LayerSpec, load_space
from vitnas.supernets.layers import LAYERS, build

ALONE = replace(FACTS, labels=())


@cache
def forms() -> dict[str, list[LayerSpec]]:
    """For every kind, one layer of each form: words as they are, numbers only as none, one or several."""
    found: dict[object, LayerSpec] = {}
    for name in SPACES:
        for spec in load_space(name).lowering.specs:
            attrs = [(n, min(v, 2) if isinstance(v, int | float) else v) for n, v in spec.attrs]
            shapes = [before == after for before, after in zip(spec.in_shape, spec.out_shape, strict=False)]
            form = spec.kind, *attrs, *shapes
            if form not in found or sum(spec.in_shape) < sum(found[form].in_shape):
                found[form] = spec
    return {kind: [spec for spec in found.values() if spec.kind == kind] for kind in LAYERS.names()}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "coreml"])
@pytest.mark.parametrize("kind", LAYERS.names())
def test_a_layer_alone(kind, form, tmp_path):
    exporter = EXPORTERS.load(form)()
    torch.manual_seed(0)
    for i, spec in enumerate(forms()[kind]):
        network = nn.Sequential(build(spec)).eval()
        with_statistics(network)
        x = torch.randn(2, *spec.in_shape)
        (tmp_path / str(i)).mkdir()
        found = exporter.run(exporter.export(fold(network, x), x, ALONE, tmp_path / str(i)), x).flatten(1)
        expected = answers(network, x).flatten(1)
        parity = compare(expected, found, expected.argmax(dim=1))
        assert parity.max_difference <= exporter.limits.max_difference, (spec.key, parity)
