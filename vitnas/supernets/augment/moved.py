"""Masks moved as their images are: the same draws in a second pass, the nearest pixel in place of a mean of four."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from vitnas.supernets.augment.draws import Draws
from vitnas.supernets.augment.geometric import crop, flip, shift, warp
from vitnas.supernets.augment.rand_augment import maps_of, turns
from vitnas.supernets.augment.rectangles import Rectangles
from vitnas.supernets.settings.augment import Augment


def moved(masks: Tensor, draws: Draws, settings: Augment, outside: int) -> Tensor:
    """What `augment` does to the places of pixels, done to their classes; what it erases keeps them.

    Args:
        masks: uint8 (N, H, W).
        draws: of the images.
        settings: of the augmentation.
        outside: the class of what comes in from outside an image.
    """
    x = masks[:, None]
    size, fill = (x.shape[2], x.shape[3]), outside / 255
    if settings.crop_scale < 1:
        places = Rectangles.draw(draws, "crop", area=(settings.crop_scale, 1), ratio=(3 / 4, 4 / 3))
        x = warp(x, crop(places, size), fill, "nearest")
    if settings.crop_padding > 0:
        x = shift(x, draws, settings.crop_padding, fill)
    if settings.flip > 0:
        x = flip(x, draws, settings.flip)
    for which, share, sign in turns(draws, settings):
        if moves := maps_of(which, share, sign, size).values():
            rows = torch.from_numpy(np.concatenate([own for own, _ in moves])).to(x.device)
            x = x.clone()
            x[rows] = warp(x[rows], np.concatenate([maps for _, maps in moves]), fill, "nearest")
    return x[:, 0]
