"""Where a pixel comes from: affine maps, shifts and crops, each image with its own."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.augment.draws import Draws
from vitnas.supernets.augment.rectangles import Rectangles


def warp(pixels: Tensor, maps: NDArray[np.float64], fill: float, mode: str = "bilinear") -> Tensor:
    """Takes every pixel from the place its map says, between four neighbours where need be.

    Args:
        pixels: uint8 (N, C, H, W).
        maps: (N, 2, 3), from places in the result to places in the image as (x, y, 1), in pixels from the corner.
        fill: brightness of places outside the image, 0..1.
        mode: "nearest" takes the nearest pixel as it is.
    """
    height, width = pixels.shape[2:]
    device = pixels.device
    a = torch.from_numpy(maps.astype(np.float32)).to(device)[..., None, None]
    x = torch.arange(width, device=device) + 0.5
    y = (torch.arange(height, device=device) + 0.5)[:, None]
    # Sums and products one by one, which processors round alike in every batch.
    from_x = (a[:, 0, 0] * x + a[:, 0, 1] * y + a[:, 0, 2]) * (2 / width) - 1
    from_y = (a[:, 1, 0] * x + a[:, 1, 1] * y + a[:, 1, 2]) * (2 / height) - 1
    grid = torch.stack([from_x, from_y], dim=-1)
    found = F.grid_sample(pixels.to(torch.float32), grid, mode=mode, padding_mode="border", align_corners=False)
    outside = ((from_x.abs() > 1) | (from_y.abs() > 1))[:, None]
    return found.masked_fill_(outside, fill * 255).add_(0.5).to(torch.uint8)


def shear(amount_x: NDArray[np.float64], amount_y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Slants about the upper left corner, as the published operations do."""
    maps = _identities(len(amount_x))
    maps[:, 0, 1], maps[:, 1, 0] = amount_x, amount_y
    return maps


def translate(share_x: NDArray[np.float64], share_y: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Moves by shares of a side; `size` is (height, width)."""
    maps = _identities(len(share_x))
    maps[:, 0, 2], maps[:, 1, 2] = share_x * size[1], share_y * size[0]
    return maps


def rotate(degrees: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.float64]:
    """Turns about the middle, clockwise for positive angles; `size` is (height, width)."""
    maps = _identities(len(degrees))
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    middle_y, middle_x = size[0] / 2, size[1] / 2
    maps[:, 0] = np.stack([cos, -sin, middle_x - cos * middle_x + sin * middle_y], axis=1)
    maps[:, 1] = np.stack([sin, cos, middle_y - sin * middle_x - cos * middle_y], axis=1)
    return maps


def crop(places: Rectangles, size: tuple[int, int]) -> NDArray[np.float64]:
    """Stretches a rectangle to the whole image; `size` is (height, width)."""
    maps = _identities(len(places.top))
    maps[:, 0, 0], maps[:, 0, 2] = places.width, places.left * size[1]
    maps[:, 1, 1], maps[:, 1, 2] = places.height, places.top * size[0]
    return maps


def flip(pixels: Tensor, draws: Draws, probability: float) -> Tensor:
    """Mirrors some images left and right."""
    flipped = torch.from_numpy(draws["flip"] < probability).to(pixels.device)
    return torch.where(flipped[:, None, None, None], pixels.flip(3), pixels)


def shift(pixels: Tensor, draws: Draws, padding: int, fill: float) -> Tensor:
    """Shifts images by up to `padding` pixels each way."""
    height, width = pixels.shape[2:]
    padded = F.pad(pixels, (padding,) * 4, value=round(fill * 255))
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # a view: (N, C, 2 padding + 1, 2 padding + 1, H, W)
    top, left = (
        torch.from_numpy((draws[purpose] * (2 * padding + 1)).astype(np.int64)).to(pixels.device)
        for purpose in ("shift down", "shift right")
    )
    return windows[torch.arange(len(pixels), device=pixels.device), :, top, left]


def _identities(n: int) -> NDArray[np.float64]:
    return np.tile(np.eye(2, 3), (n, 1, 1))
