"""How bright and of what colour a pixel is, in whole numbers as imaging libraries have it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Tones = Callable[[Tensor, Tensor], Tensor]
"""From pixels (N, C, H, W) and levels (N,) to what becomes of each brightness: (N, C or 1, 256), in 0..255."""


def apply_tones(pixels: Tensor, tables: Tensor) -> Tensor:
    """Looks every pixel up in the table of its image and channel.

    Args:
        pixels: uint8 (N, C, H, W).
        tables: uint8 (N, C, 256).
    """
    rows = torch.arange(tables.shape[0] * tables.shape[1], dtype=torch.int32, device=pixels.device) * 256
    places = pixels.to(torch.int32) + rows.view(*tables.shape[:2], 1, 1)
    return tables.reshape(-1).index_select(0, places.view(-1)).view(pixels.shape)


def invert(pixels: Tensor, level: Tensor) -> Tensor:
    return (255 - _brightness(pixels)).expand(len(pixels), 1, 256)


def posterise(pixels: Tensor, bits: Tensor) -> Tensor:
    """Keeps the first `bits` bits."""
    step = 2 ** (8 - bits.round().to(torch.int32))[:, None, None]
    return _brightness(pixels).to(torch.int32) // step * step


def solarise(pixels: Tensor, threshold: Tensor) -> Tensor:
    """Inverts what is at or above the threshold."""
    own = _brightness(pixels)
    return torch.where(own < threshold[:, None, None], own, 255 - own)


def brighten(pixels: Tensor, factor: Tensor) -> Tensor:
    """0 is black, 1 the image."""
    return (_brightness(pixels) * factor[:, None, None]).clamp(0, 255)


def contrast(pixels: Tensor, factor: Tensor) -> Tensor:
    """0 is the mean grey, 1 the image."""
    grey = luminance(pixels)
    mean = (grey.sum(dim=(1, 2, 3), dtype=torch.int64) / grey[0].numel() + 0.5).floor().to(torch.float32)
    return _blend(mean[:, None, None], _brightness(pixels), factor[:, None, None])


def auto_contrast(pixels: Tensor, level: Tensor) -> Tensor:
    """Stretches every channel so that its darkest becomes 0 and its brightest 255."""
    least, most = (extreme(dim=(2, 3))[..., None].to(torch.float64) for extreme in (pixels.amin, pixels.amax))
    own = _brightness(pixels).to(torch.float64)
    stretch = own.new_tensor(255) / (most - least).clamp(min=1)  # 255 / x would multiply by 1 / x
    return torch.where(most > least, own * stretch - least * stretch, own).clamp(0, 255)


def equalise(pixels: Tensor, level: Tensor) -> Tensor:
    """Makes all brightnesses of a channel about equally frequent."""
    n, channels = pixels.shape[:2]
    places = pixels.reshape(n * channels, -1).to(torch.int32)
    places += torch.arange(n * channels, dtype=torch.int32, device=pixels.device)[:, None] * 256
    counts = torch.bincount(places.view(-1), minlength=n * channels * 256).view(n, channels, 256)
    last = 255 - (counts > 0).flip(2).to(torch.uint8).argmax(dim=2, keepdim=True)
    step = (counts.sum(dim=2, keepdim=True) - counts.gather(2, last)) // 255
    darker = counts.cumsum(dim=2) - counts
    equal = ((darker + step // 2) // step.clamp(min=1)).clamp(max=255)
    return torch.where(step > 0, equal, _brightness(pixels).to(torch.int64))


def colour(pixels: Tensor, factor: Tensor) -> Tensor:
    """0 is grey, 1 the image; what is not RGB stays as it is."""
    if pixels.shape[1] != 3:
        return pixels
    return _blend(luminance(pixels), pixels, factor[:, None, None, None]).to(torch.uint8)


def sharpen(pixels: Tensor, factor: Tensor) -> Tensor:
    """0 is smooth, 1 the image; the outermost pixels stay as they are."""
    if min(pixels.shape[2:]) < 3:
        return pixels
    wide = pixels.to(torch.int16)
    rows = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    inner = wide[:, :, 1:-1, 1:-1]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * inner  # of 13 parts
    smooth = torch.div(2 * total + 13, 26, rounding_mode="floor")
    sharp = pixels.clone()
    sharp[:, :, 1:-1, 1:-1] = _blend(smooth, inner, factor[:, None, None, None]).to(torch.uint8)
    return sharp


def luminance(pixels: Tensor) -> Tensor:
    """The grey of RGB pixels in the weights of ITU-R 601, (N, 1, H, W); other images are grey as their mean is."""
    wide = pixels.to(torch.int32)
    if pixels.shape[1] == 3:
        r, g, b = wide.unbind(dim=1)
        return ((r * 19595 + g * 38470 + b * 7471 + 32768) >> 16)[:, None]
    return torch.div(wide.sum(dim=1, keepdim=True, dtype=torch.int32), pixels.shape[1], rounding_mode="floor")


def _blend(start: Tensor, end: Tensor, factor: Tensor) -> Tensor:
    """From start at 0 through end at 1 and beyond, within 0..255."""
    start = start.to(torch.float32)
    return (start + factor * (end.to(torch.float32) - start)).clamp_(0, 255)


def _brightness(pixels: Tensor) -> Tensor:
    return torch.arange(256, dtype=torch.float32, device=pixels.device).view(1, 1, 256)


TONES: dict[str, Tones] = {
    "invert": invert,
    "posterise": posterise,
    "solarise": solarise,
    "brightness": brighten,
    "contrast": contrast,
    "auto_contrast": auto_contrast,
    "equalise": equalise,
}
