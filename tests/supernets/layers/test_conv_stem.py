"""The convolution stem brings images to its resolution, and leaves those alone that have it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import build

SPEC = LayerSpec.of("conv_stem", (3, 8, 8), (5, 4, 4), kernel=3, stride=2, act="silu")


@pytest.mark.parametrize("size", [5, 12, 16])
def test_images_of_another_size_are_interpolated_first(size: int) -> None:
    layer = build(SPEC).eval()
    x = torch.randn(2, 3, size, size)
    resized = F.interpolate(x, size=(8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(layer(x), layer(resized))


def test_images_of_its_size_are_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> Tensor:
        raise AssertionError("interpolated")

    monkeypatch.setattr(F, "interpolate", refuse)
    assert build(SPEC).eval()(torch.randn(1, 3, 8, 8)).shape == (1, 5, 4, 4)
