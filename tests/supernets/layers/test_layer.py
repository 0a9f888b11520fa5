"""Slices of every sort: from the front, from the middle, of statistics, of nested modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets import layers
from vitnas.supernets.layers import Layer, build
from vitnas.supernets.layers.attributes import Attributes, OddKernel
from vitnas.supernets.layers.layer import crop


class Convolution(Layer):
    """A kernel sliced around its middle, a norm with statistics, a constant table."""

    @dataclass(frozen=True)
    class Attrs(Attributes):
        kernel: OddKernel

    attrs: Attrs

    centred: ClassVar = {"parts.0.weight": (2, 3)}

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        width, kernel = spec.out_shape[0], self.attrs.kernel
        self.parts = nn.Sequential(nn.Conv2d(3, width, kernel, bias=False), nn.BatchNorm2d(width))
        self.constant("ramp", np.arange(width, dtype=np.float32)[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        pad = self.attrs.kernel // 2
        y: Tensor = self.parts(F.pad(x, (pad,) * 4))
        return y + self.ramp


def _spec(width: int, kernel: int) -> LayerSpec:
    return LayerSpec.of("convolution", (3, 4, 4), (width, 4, 4), kernel=kernel)


LARGE, SMALL = _spec(6, 5), _spec(4, 3)


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(layers.LAYERS._table, "convolution", f"{__name__}:Convolution")


def test_crop_takes_the_first_entries_or_the_middle_ones() -> None:
    grid = torch.arange(25).view(5, 5)
    assert crop(grid, torch.Size((2, 3))).tolist() == [[0, 1, 2], [5, 6, 7]]
    assert crop(grid, torch.Size((2, 3)), centred=(1,)).tolist() == [[1, 2, 3], [6, 7, 8]]
    assert crop(grid, torch.Size((5, 5)), centred=(0, 1)) is grid
    assert crop(grid, torch.Size((3, 3))).data_ptr() == grid.data_ptr()


def test_a_kernel_keeps_its_middle() -> None:
    layer = build(LARGE)
    weight = layer.parts[0].weight  # type: ignore[index]
    assert torch.equal(layer.narrow(SMALL).parts[0].weight, weight[:4, :, 1:4, 1:4])  # type: ignore[index]


def test_constants_follow_the_smaller_spec_and_are_not_saved() -> None:
    small = build(LARGE).narrow(SMALL)
    assert small.ramp.flatten().tolist() == [0, 1, 2, 3]
    assert "ramp" not in small.state_dict()


def test_a_step_on_a_slice_moves_the_shared_weights() -> None:
    layer = build(LARGE)
    before = layer.parts[0].weight.detach().clone()  # type: ignore[index]
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
    layer.at(SMALL)(torch.randn(2, 3, 4, 4)).square().sum().backward()
    optimizer.step()
    moved = layer.parts[0].weight != before  # type: ignore[index]
    assert moved[:4, :, 1:4, 1:4].all()
    assert int(moved.sum()) == 4 * 3 * 3 * 3


@pytest.mark.parametrize("spec", [SMALL, LARGE])
def test_training_sees_batch_statistics_and_keeps_none(spec: LayerSpec) -> None:
    layer = build(LARGE).train()
    norm = layer.parts[1]  # type: ignore[index]
    before = [buffer.clone() for buffer in norm.buffers()]
    y = layer.at(spec)(torch.randn(8, 3, 4, 4))
    torch.testing.assert_close(y.mean(dim=(0, 2, 3)), torch.arange(spec.out_shape[0]).float(), atol=1e-5, rtol=0)
    assert all(torch.equal(a, b) for a, b in zip(before, norm.buffers(), strict=True))


def test_evaluation_uses_the_sliced_statistics() -> None:
    layer = build(LARGE).eval()
    layer.parts[1].running_mean.copy_(torch.arange(6.0))  # type: ignore[index]
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(layer.at(SMALL).parts[1].running_mean, torch.arange(4.0))  # type: ignore[index]
    torch.testing.assert_close(layer.at(SMALL)(x), layer.narrow(SMALL)(x))


def test_an_extracted_layer_trains_by_itself() -> None:
    layer = build(LARGE).train()
    small = layer.narrow(SMALL)
    assert all(p.is_leaf and p.requires_grad for p in small.parameters())
    small(torch.randn(4, 3, 4, 4)).square().sum().backward()
    assert all(p.grad is None for p in layer.parameters())
    assert not torch.equal(small.parts[1].running_var, layer.parts[1].running_var[:4])  # type: ignore[index]


def test_frozen_weights_stay_frozen_in_slices() -> None:
    layer = build(LARGE)
    layer.requires_grad_(False)
    assert not any(p.requires_grad for p in layer.narrow(SMALL).parameters())


def test_slicing_leaves_no_trace_in_the_layer() -> None:
    layer = build(LARGE)
    names = list(layer.state_dict())
    for spec in (SMALL, LARGE):
        layer.at(spec)
        layer.narrow(spec)
    assert list(layer.state_dict()) == names
    assert layer.spec == LARGE
