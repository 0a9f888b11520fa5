"""From the bytes of an image file to uint8 pixels of one size."""

from __future__ import annotations

import io
import math
import threading
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

from vitnas.image_size import ImageSize, height_and_width
from vitnas.supernets.data import jpeg
from vitnas.supernets.data.geometry import framed, placed
from vitnas.supernets.settings.data import DecoderName, Fit

EXTENSIONS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
LARGEST_FILE = 256 << 20
"""A file of more bytes is taken for damaged, as are more than 179 million pixels, where Pillow stops."""
MOST_PIXELS = 1 << 26
"""Of an image as it lies in memory while it is decoded, a quarter of a GiB in colours; one of more is taken for damaged."""
MANY_PIXELS = 1 << 24
"""Images of more are decoded one at a time, however many threads read."""
GRAY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F")


_many_pixels = threading.Lock()


class UnreadableError(Exception):
    """Bytes that are no image, or not all of one; whoever reads many goes on with the next."""


class TooLargeError(UnreadableError):
    """An image that is whole, and larger than what is decoded; people are told, for they can make it smaller."""


VERSION = 1
"""Raised where the same bytes give other pixels from then on."""


def decoded_by(decoder: DecoderName) -> str:
    """What else the pixels of an image depend on."""
    return f"{VERSION}, Pillow {PIL.__version__}" + (f", {jpeg.version()}" if decoder == "simplejpeg" else "")


def decode(
    data: bytes, image_size: ImageSize, channels: int, decoder: DecoderName = "pillow", fit: Fit = "crop"
) -> NDArray[np.uint8]:
    """An image at a size, upright, as (C, H, W); the other decoder is for squares in the middle of JPEG files alone.

    Cropping and resizing are one step, with antialiasing. A JPEG is decoded no larger than needed, so that only one with
    progressive scans, which lie in memory at their full size, can be too large.
    """
    if decoder == "simplejpeg" and isinstance(image_size, int) and fit == "crop":
        found = jpeg.decode_jpeg(data, image_size, channels, MANY_PIXELS)
        if found is not None:
            return found
    mode = "L" if channels == 1 else "RGB"
    try:
        with Image.open(io.BytesIO(data)) as image:
            whole = image.size
            height, width = height_and_width(image_size)
            size = (width, height) if height != width and _lies(image) else (height, width)
            image.draft(mode, (size[1], size[0]))
            with _room_for(whole if image.info.get("progressive") else image.size):
                part = _part(_eight_bits(image), mode, size, fit)
            if "exif" in image.info:
                part = ImageOps.exif_transpose(_with_orientation(part, image))
            x = np.asarray(part)
    except (MemoryError, UnreadableError):
        raise
    except Image.DecompressionBombError as error:
        raise TooLargeError(f"{str(error).partition(',')[0]}; make it smaller") from None
    except Exception as error:  # decoders raise whatever they like
        raise UnreadableError(str(error)) from error
    x = x[None] if channels == 1 else np.ascontiguousarray(x.transpose(2, 0, 1))
    return x if x.shape[1:] == (height, width) else framed(torch.from_numpy(x), image_size).numpy()


def look(data: bytes) -> tuple[tuple[int, int], bool]:
    """Width and height of an image, and whether it is gray; read from its first bytes."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size, image.mode in GRAY_MODES
    except MemoryError:
        raise
    except Exception as error:
        raise UnreadableError(str(error)) from error


def _room_for(size: tuple[int, int]) -> AbstractContextManager[object]:
    """Refuses what would take too much memory, and lets nothing else that takes much in beside it."""
    pixels = math.prod(size)
    if pixels > MOST_PIXELS:
        raise TooLargeError(f"{pixels:,} pixels, more than the {MOST_PIXELS:,} that are decoded; make it smaller")
    return _many_pixels if pixels > MANY_PIXELS else nullcontext()


def _lies(image: Image.Image) -> bool:
    """Whether rows become columns when the image is held as the camera was."""
    return "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation) in (5, 6, 7, 8)


def _part(image: Image.Image, mode: str, size: tuple[int, int], fit: Fit) -> Image.Image:
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    if image.mode != mode:
        image = image.convert(mode)
    if (image.height, image.width) == size:
        image.load()
        return image
    (top, left), (rows, columns), (height, width) = placed(fit, (image.height, image.width), size)
    return image.resize((width, height), Image.Resampling.BILINEAR, box=(left, top, left + columns, top + rows))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Shades of 16 bits as shades of 8; everything else as it is."""
    if not image.mode.startswith("I"):
        return image
    return Image.fromarray((np.asarray(image) >> 8).clip(0, 255).astype(np.uint8))


def _with_orientation(part: Image.Image, image: Image.Image) -> Image.Image:
    """The part, told how the camera was held."""
    part.info["exif"] = image.info["exif"]
    return part
