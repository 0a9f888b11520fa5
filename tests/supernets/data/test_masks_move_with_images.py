"""Images and their masks come to one size alike, whatever its shape and however they fit it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vitnas.image_size import ImageSize
from vitnas.supernets.data.geometry import fitted
from vitnas.supernets.data.truths import IGNORED
from vitnas.supernets.data.truths.masks import ArrayMasks, nearest
from vitnas.supernets.settings.data import Fit

FITS: tuple[Fit, ...] = ("crop", "stretch", "letterbox")


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("size", [32, (24, 40), (40, 24)])
def test_a_mask_covers_what_it_covered(fit: Fit, size: ImageSize) -> None:
    rows, columns = np.mgrid[:60, :90]
    mask = (((rows - 20) ** 2 + (columns - 60) ** 2) < 15**2).astype(np.uint8)[None]
    pixels = fitted(torch.from_numpy(200 * mask[:, None]), fit, size)
    found = ArrayMasks(mask).of(np.array([0]), size, fit)
    assert found.shape[1:] == tuple(pixels.shape[2:])
    figure, drawn = found[0] == 1, pixels[0, 0].numpy() > 100
    assert drawn.sum() > 20
    assert (figure & drawn).sum() / (figure | drawn).sum() > 0.9


def test_what_an_image_does_not_fill_is_ignored() -> None:
    found = nearest(np.zeros((1, 20, 40), np.uint8), 32, "letterbox")
    assert (found[0, 8:24] == 0).all()
    assert (found[0, :8] == IGNORED).all()
    assert (found[0, 24:] == IGNORED).all()
