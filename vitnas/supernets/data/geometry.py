"""How images of any shape become images of one size: which part of them is taken, and where it lies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.image_size import ImageSize, height_and_width
from vitnas.supernets.settings.data import Fit

PADDING = 0
"""What lies around a letterboxed image: black."""


class FittedPart(NamedTuple):
    """Which part of an image is resized to which part of the result; rows before columns everywhere.

    Attributes:
        start: where the part begins in the image, in pixels and fractions of them.
        extent: of that part.
        size: of the part of the result.
    """

    start: tuple[float, float]
    extent: tuple[float, float]
    size: tuple[int, int]


def placed(fit: Fit, image: tuple[int, int], size: ImageSize) -> FittedPart:
    """Where an image of some rows and columns goes in one of a size."""
    rows, columns = image
    height, width = height_and_width(size)
    if fit == "crop":  # the largest part in the middle that has the shape of the result
        tall = rows * width > columns * height
        extent = (columns * height / width, float(columns)) if tall else (float(rows), rows * width / height)
        return FittedPart(((rows - extent[0]) / 2, (columns - extent[1]) / 2), extent, (height, width))
    inner = (height, width)
    if fit == "letterbox":  # the whole image at its own shape, as large as it gets
        scale = min(height / rows, width / columns)
        inner = (min(height, max(1, round(rows * scale))), min(width, max(1, round(columns * scale))))
    return FittedPart((0.0, 0.0), (float(rows), float(columns)), inner)


def fitted(pixels: Tensor, fit: Fit, size: ImageSize, mode: str = "bicubic") -> Tensor:
    """Images (N, C, rows, columns) at a size; a part that begins within a pixel begins with the whole of it."""
    part = placed(fit, (pixels.shape[2], pixels.shape[3]), size)
    (top, left), (rows, columns) = (int(start) for start in part.start), (round(extent) for extent in part.extent)
    pixels = pixels[:, :, top : top + rows, left : left + columns]
    if tuple(pixels.shape[2:]) != part.size:
        pixels = F.interpolate(pixels, part.size, mode=mode, antialias=True)
    return framed(pixels, size)


def framed(pixels: Tensor, size: ImageSize, around: int = PADDING) -> Tensor:
    """Images (..., rows, columns) in the middle of a size, with padding around those that do not fill it."""
    height, width = height_and_width(size)
    rows, columns = pixels.shape[-2:]
    if (rows, columns) == (height, width):
        return pixels
    result = torch.full((*pixels.shape[:-2], height, width), around, dtype=pixels.dtype)
    top, left = (height - rows) // 2, (width - columns) // 2
    result[..., top : top + rows, left : left + columns] = pixels
    return result
