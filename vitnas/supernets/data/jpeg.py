"""JPEG files by simplejpeg and torch, in two thirds of the time and with slightly other pixels than by Pillow."""

from __future__ import annotations

import io
from importlib import metadata

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image
from torch.nn import functional as F

from vitnas.extras import load

_BEGINNING, _EXIF = b"\xff\xd8\xff", b"Exif\0\0"
_UPRIGHT = 1
_KINDS = ("Gray", "YCbCr", "RGB")


def decode_jpeg(data: bytes, image_size: int, channels: int, most_pixels: int) -> NDArray[np.uint8] | None:
    """The square in the middle as (C, H, W), or None of what is left to Pillow.

    That is whatever is no JPEG or is damaged, has more pixels than given, four colours, or is not stored upright. It is decoded
    at a half, a quarter or an eighth where Pillow does so.
    """
    jpeg = load("simplejpeg")
    if not data.startswith(_BEGINNING) or (_EXIF in data and not _is_upright(data)):
        return None
    try:
        height, width, kind, _ = jpeg.decode_jpeg_header(data)
        if height * width > most_pixels or kind not in _KINDS:
            return None
        smaller = next(by for by in (8, 4, 2, 1) if by == 1 or by * image_size <= min(height, width))
        least_height, least_width = -(-height // smaller), -(-width // smaller)
        colours = "GRAY" if channels == 1 else "RGB"
        x = jpeg.decode_jpeg(data, colours, min_height=least_height, min_width=least_width, min_factor=smaller)
    except ValueError:
        return None
    side = min(x.shape[:2])
    rows, columns = (_middle(n, side) for n in x.shape[:2])
    square = torch.from_numpy(x[rows, columns]).permute(2, 0, 1)
    if square.shape[1:] != (image_size, image_size):
        square = F.interpolate(square[None], (image_size, image_size), mode="bilinear", antialias=True)[0]
    found: NDArray[np.uint8] = square.contiguous().numpy()
    return found


def _middle(n: int, side: int) -> slice:
    """`side` of `n` pixels, or one fewer where as many would not be in the middle."""
    kept = side - (n - side) % 2
    return slice((n - kept) // 2, (n + kept) // 2)


def version() -> str:
    """What the pixels depend on."""
    return f"simplejpeg {metadata.version('simplejpeg')}, torch {torch.__version__}"


def _is_upright(data: bytes) -> bool:
    try:
        with Image.open(io.BytesIO(data)) as image:
            return bool(image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) == _UPRIGHT)
    except Exception:  # decoders raise whatever they like, and Pillow will again
        return False
