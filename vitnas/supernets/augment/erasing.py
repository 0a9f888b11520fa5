"""Random erasing: a rectangle of noise."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.supernets.augment.draws import Draws, scramble, uniform
from vitnas.supernets.augment.rectangles import Rectangles


def erase(images: Tensor, draws: Draws, probability: float) -> Tensor:
    """Puts noise, uniform in 0..1, over 2 % to a third of some images (N, C, H, W), 3:10 to 10:3 in shape."""
    rows = torch.from_numpy(np.flatnonzero(draws["erase"] < probability))
    if len(rows) == 0:
        return images
    places = Rectangles.draw(draws, "erase", area=(0.02, 1 / 3), ratio=(0.3, 1 / 0.3))
    device = images.device
    down = _covered(places.top, places.height, images.shape[2])[rows].to(device)
    right = _covered(places.left, places.width, images.shape[3])[rows].to(device)
    image, y, x = (down[:, :, None] & right[:, None, :]).nonzero().unbind(dim=1)
    channels, height, width = images.shape[1:]
    number = torch.arange(channels, device=device) * (height * width) + (y * width + x)[:, None]
    noise = uniform(scramble(draws.keys("noise")[rows].to(device)[image][:, None] + number))
    erased = images.clone()
    erased[rows.to(device)[image], :, y, x] = noise
    return erased


def _covered(start: NDArray[np.float64], length: NDArray[np.float64], side: int) -> Tensor:
    """Which of `side` pixels have their centre between start and start + length: bool (N, side)."""
    centre = (np.arange(side) + 0.5) / side
    return torch.from_numpy((centre >= start[:, None]) & (centre < (start + length)[:, None]))
