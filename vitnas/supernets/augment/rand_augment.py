"""RandAugment (Cubuk et al., 2019): a few random operations an image, all of about one magnitude."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.supernets.augment.colour import TONES, apply_tones, colour, sharpen
from vitnas.supernets.augment.draws import Draws
from vitnas.supernets.augment.geometric import rotate, shear, translate, warp
from vitnas.supernets.settings.augment import Augment

Levels = NDArray[np.float64]
MovedRows = tuple[NDArray[np.int64], NDArray[np.float64]]

# What a magnitude means to each operation, from its share (0..1) and a random sign; a share of 0 changes nothing,
# but for the first three, which have no magnitude.
_LEVELS: dict[str, Callable[[Levels, Levels], Levels]] = {
    "auto_contrast": lambda share, sign: share,
    "equalise": lambda share, sign: share,
    "invert": lambda share, sign: share,
    "posterise": lambda share, sign: 8 - 4 * share,
    "solarise": lambda share, sign: 256 * (1 - share),
    "brightness": lambda share, sign: 1 + 0.9 * share * sign,
    "contrast": lambda share, sign: 1 + 0.9 * share * sign,
    "colour": lambda share, sign: 1 + 0.9 * share * sign,
    "sharpness": lambda share, sign: 1 + 0.9 * share * sign,
    "rotate": lambda share, sign: 30 * share * sign,
    "shear_x": lambda share, sign: 0.3 * share * sign,
    "shear_y": lambda share, sign: 0.3 * share * sign,
    "translate_x": lambda share, sign: 0.45 * share * sign,
    "translate_y": lambda share, sign: 0.45 * share * sign,
}
OPERATIONS = tuple(_LEVELS)

_MAPS: dict[str, Callable[[Levels, tuple[int, int]], NDArray[np.float64]]] = {
    "rotate": rotate,
    "shear_x": lambda level, size: shear(level, 0 * level),
    "shear_y": lambda level, size: shear(0 * level, level),
    "translate_x": lambda level, size: translate(level, 0 * level, size),
    "translate_y": lambda level, size: translate(0 * level, level, size),
}


def rand_augment(pixels: Tensor, draws: Draws, settings: Augment) -> Tensor:
    """Applies `settings.rand_augment` operations, one after the other, to uint8 pixels (N, C, H, W)."""
    for which, share, sign in turns(draws, settings):
        pixels = apply_operations(pixels, which, share, sign, settings.fill)
    return pixels


def turns(draws: Draws, settings: Augment) -> Iterator[tuple[NDArray[np.int64], Levels, Levels]]:
    """Of every turn, the operation of each image, the share of its magnitude and its sign; see `apply_operations`."""
    for turn in range(settings.rand_augment):
        which = (draws[f"operation {turn}"] * len(OPERATIONS)).astype(np.int64)
        which[draws[f"operation {turn} applied"] >= settings.rand_probability] = -1
        spread = np.array([NormalDist().inv_cdf(u + 2.0**-25) for u in draws[f"magnitude {turn}"]])
        share = np.clip(settings.rand_magnitude + settings.rand_std * spread, 0, 10) / 10
        sign = np.where(draws[f"sign {turn}"] < 0.5, -1.0, 1.0)
        yield which, share, sign


def maps_of(which: NDArray[np.int64], share: Levels, sign: Levels, size: tuple[int, int]) -> dict[str, MovedRows]:
    """Operations that move pixels -> the images that they move, and their maps."""
    found = {}
    for name, make in _MAPS.items():
        rows = np.flatnonzero(which == OPERATIONS.index(name))
        if len(rows):
            found[name] = rows, make(_LEVELS[name](share[rows], sign[rows]), size)
    return found


def apply_operations(pixels: Tensor, which: NDArray[np.int64], share: Levels, sign: Levels, fill: float) -> Tensor:
    """One operation an image; those of a kind run together.

    Args:
        pixels: uint8 (N, C, H, W).
        which: positions in `OPERATIONS`, or -1 for none.
        share: of the largest magnitude, 0..1.
        sign: 1 or -1.
        fill: brightness of places outside the image.
    """
    pixels = pixels.clone()
    size = (pixels.shape[2], pixels.shape[3])
    members = {name: np.flatnonzero(which == i) for i, name in enumerate(OPERATIONS)}
    levels = {name: _LEVELS[name](share[rows], sign[rows]) for name, rows in members.items() if len(rows)}

    def on_device(values: NDArray[np.int64] | Levels) -> Tensor:
        return torch.from_numpy(values).to(pixels.device)

    tables = {
        name: make(pixels[on_device(members[name])], on_device(levels[name]).float()).to(torch.uint8)
        for name, make in TONES.items()
        if name in levels
    }
    if tables:
        rows = on_device(np.concatenate([members[name] for name in tables]))
        wide = [table.expand(-1, pixels.shape[1], -1) for table in tables.values()]
        pixels[rows] = apply_tones(pixels[rows], torch.cat(wide))

    if moves := maps_of(which, share, sign, size).values():
        rows = on_device(np.concatenate([own for own, _ in moves]))
        pixels[rows] = warp(pixels[rows], np.concatenate([maps for _, maps in moves]), fill)

    for name, change in (("colour", colour), ("sharpness", sharpen)):
        if name in levels:
            rows = on_device(members[name])
            pixels[rows] = change(pixels[rows], on_device(levels[name]).float())
    return pixels
