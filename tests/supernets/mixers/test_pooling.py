"""The pooling mixer against means over the neighbours that exist."""

from __future__ import annotations

import torch

from tests.supernets.mixers.reference import BREADTH, HEIGHT, image, lively, normed, run


def test_a_place_takes_the_mean_around_it() -> None:
    layer = lively("pooling_mixer", kernel=3)
    x = image(layer)
    y = normed(layer, x)
    for row in range(HEIGHT):
        for column in range(BREADTH):
            around = y[:, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].mean(dim=(1, 2))
            torch.testing.assert_close(run(layer, x)[:, row, column], around - y[:, row, column])
