"""Operators of Core ML programs compute what PyTorch's own do, at odd sizes and with every padding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.deployment.coreml_interpreter import MilProgram
from vitnas.deployment.coreml_interpreter.operations import OPERATIONS
from vitnas.errors import ExportError
from vitnas.latency_lut.runtimes.coreml import to_coreml
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build


class Everything(nn.Module):
    """Operators in the forms that networks use them in."""

    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=3)
        self.norm = nn.LayerNorm(6)
        self.batch = nn.BatchNorm2d(6)
        self.linear = nn.Linear(6, 8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.batch(F.relu(self.grouped(F.hardswish(self.strided(x)))))
        y = F.avg_pool2d(y, 3, 2, 1, count_include_pad=False) + F.max_pool2d(y, 3, 2, 1)
        t = self.norm(y.flatten(2).transpose(1, 2))
        q, k = self.linear(t).split(4, dim=-1)
        share = (q @ k.transpose(-2, -1)).softmax(-1)
        t = torch.cat([share @ t, t[:, 1:].mean(1, keepdim=True)], dim=1)
        gate = F.hardsigmoid(t) * torch.sigmoid(t) + F.silu(t) - F.gelu(t).clamp(-0.2, 0.3)
        return (gate / (1 + t.square()).sqrt()).flatten(1)


@pytest.fixture(scope="module")
def everything() -> nn.Module:
    torch.manual_seed(0)
    return Everything().eval()


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-5), ("fp16", 5e-3)])
def test_a_program_answers_as_its_module(everything, precision, most, tmp_path):
    x = torch.randn(5, 4, 9, 9)
    path = tmp_path / "program.mlpackage"
    to_coreml(everything, x[:1], path, precision=precision)
    with torch.no_grad():
        expected = everything(x)
    assert float((MilProgram(path)(x) - expected).abs().max()) <= most


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("before", "after"), [((4, 4), (8, 8)), ((7, 5), (14, 15)), ((7, 7), (7, 28))])
def test_maps_are_interpolated_as_pytorch_does(before, after, align_corners, tmp_path):
    class Larger(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.interpolate(x, after, mode="bilinear", align_corners=align_corners)

    x = torch.randn(3, 2, *before)
    to_coreml(Larger(), x[:1], tmp_path / "larger.mlpackage", precision="fp32")
    torch.testing.assert_close(MilProgram(tmp_path / "larger.mlpackage")(x), Larger()(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize("ios", [16, 18])
@pytest.mark.parametrize("by", ["keep", "merge"])
def test_tokens_are_chosen_as_pytorch_does(by, ios, tmp_path):
    torch.manual_seed(0)
    spec = LayerSpec.of("reducing_attention", (17, 16), (6, 16), heads=2, head_width=8, by=by)
    layer, x = build(spec).eval(), torch.randn(5, 17, 16)
    to_coreml(layer, x[:1], tmp_path / "layer.mlpackage", ios=ios, precision="fp32")
    with torch.no_grad():
        torch.testing.assert_close(MilProgram(tmp_path / "layer.mlpackage")(x), layer(x), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("axis", "expected"), [(-1, (2, 3, 4)), (1, (2, 4, 3)), (0, (4, 2, 3))])
def test_places_as_ones_among_zeros(axis, expected):
    places = torch.tensor([[0, 3, 1], [2, 2, 4]])  # the last is no place
    found = OPERATIONS["one_hot"](places, 4, axis)
    assert found.shape == expected
    ones = F.one_hot(places, 5)[..., :4].movedim(-1, axis)
    assert torch.equal(found, ones)
    assert torch.equal(OPERATIONS["one_hot"](places, 4, axis, 2.0, -1.0), ones * 3.0 - 1)


def test_samples_that_pytorch_does_not_know_are_refused():
    with pytest.raises(ExportError, match="interpolate as PyTorch does"):
        OPERATIONS["upsample_bilinear"](
            torch.zeros(1, 1, 4, 4), 2.0, 2.0, align_corners=False, half_pixel_centers=False
        )


def test_what_leaves_half_precision_is_seen(tmp_path: Path):
    class Large(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x * x - x

    x = torch.full((1, 4), 300.0)
    for precision, finite in (("fp16", False), ("fp32", True)):
        path = tmp_path / f"{precision}.mlpackage"
        to_coreml(Large(), x, path, precision=precision)
        assert bool(MilProgram(path)(x).isfinite().all()) == finite


def test_an_operator_that_cannot_be_checked_is_named(everything, tmp_path, monkeypatch):
    path = tmp_path / "program.mlpackage"
    to_coreml(everything, torch.zeros(1, 4, 9, 9), path)
    monkeypatch.delitem(OPERATIONS, "conv")
    with pytest.raises(ExportError, match="operator 'conv' of Core ML, which cannot be checked without a Mac"):
        MilProgram(path)
