"""ONNX graphs of mixers: any batch size, the same answers, operators and ranks that every runtime has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from vitnas.latency_lut.runtimes.onnx import open_session, to_onnx
from vitnas.search_spaces.published.mixer_choices import MIXERS
from vitnas.supernets.layers import build

SIDE, WIDTH = 14, 64  # a map that allows every mixer
UNWANTED = {"Einsum", "DFT", "GatherND", "ScatterND", "Loop", "Scan", "If", "Col2Im", "Resize"}


def check_export(names: Sequence[str], path: Path) -> None:
    torch.manual_seed(0)
    layers = [MIXERS[name](WIDTH, SIDE) for name in names]
    module = nn.Sequential(*(build(spec) for spec in layers if spec is not None)).eval()
    assert len(module) == len(names)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    to_onnx(module, torch.zeros(1, WIDTH, SIDE, SIDE), path, dynamic_batch=True)
    graph = onnx.shape_inference.infer_shapes(onnx.load(path)).graph
    assert not UNWANTED & {node.op_type for node in graph.node}
    ranks = [len(value.type.tensor_type.shape.dim) for value in graph.value_info]
    assert max(ranks) <= 5
    session = open_session(path, threads=1)
    for batch in (1, 3):
        x = torch.randn(batch, WIDTH, SIDE, SIDE)
        (y,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(y), module(x), rtol=1e-4, atol=1e-4)


def test_some_mixers_in_a_row_export(tmp_path: Path) -> None:
    check_export(["shifted_window", "cross_window", "global_query", "large_kernel"], tmp_path / "row.onnx")


@pytest.mark.slow
@pytest.mark.parametrize("name", MIXERS)
def test_every_mixer_exports(name: str, tmp_path: Path) -> None:
    check_export([name], tmp_path / "mixer.onnx")
