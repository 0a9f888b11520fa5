"""One batch from pixels as they are to images that a step learns from."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.augment.draws import Draws
from vitnas.supernets.augment.erasing import erase
from vitnas.supernets.augment.geometric import crop, flip, shift, warp
from vitnas.supernets.augment.mixing import mix
from vitnas.supernets.augment.rand_augment import rand_augment
from vitnas.supernets.augment.rectangles import Rectangles
from vitnas.supernets.settings.augment import Augment

RECIPE = 1
"""Grows whenever the same seeds and settings give other images than before; stored answers of teachers depend on it."""


class Aim(Protocol):
    """What is asked of images: how their truths are moved with them, and what becomes of truths in a loss."""

    def move(self, truth: Tensor, draws: Draws, settings: Augment) -> Tensor: ...
    def soft(self, truth: Tensor, num_classes: int) -> Tensor: ...


class OneClass:
    """One class an image, wherever it is moved."""

    def move(self, truth: Tensor, draws: Draws, settings: Augment) -> Tensor:
        return truth

    def soft(self, truth: Tensor, num_classes: int) -> Tensor:
        return F.one_hot(truth, num_classes).to(torch.float32)


def augment(
    pixels: Tensor,
    truth: Tensor,
    seeds: Tensor,
    batch_seed: int,
    settings: Augment,
    num_classes: int,
    asked: Aim = OneClass(),
) -> tuple[Tensor, Tensor]:
    """Images in 0..1 and their soft targets, on the device of the pixels.

    Before mixing an image depends on its own seed alone, whatever batch it is in: on a processor to the last bit.

    Args:
        pixels: uint8 (N, C, H, W).
        truth: of each image, int64 (N,) for its class.
        seeds: int64 (N,), see `seeds_of`.
        batch_seed: see `batch_seed_of`.
        settings: what to do.
        num_classes: columns of the target.
        asked: moves truths by the draws of their images and makes targets of them.

    Returns:
        float32 (N, C, H, W), and float32 (N, num_classes, ...); those of classes sum to one.
    """
    draws = Draws(seeds)
    size = (pixels.shape[2], pixels.shape[3])
    if settings.crop_scale < 1:
        places = Rectangles.draw(draws, "crop", area=(settings.crop_scale, 1), ratio=(3 / 4, 4 / 3))
        pixels = warp(pixels, crop(places, size), settings.fill)
    if settings.crop_padding > 0:
        pixels = shift(pixels, draws, settings.crop_padding, settings.fill)
    if settings.flip > 0:
        pixels = flip(pixels, draws, settings.flip)
    if settings.rand_augment > 0:
        pixels = rand_augment(pixels, draws, settings)
    images = pixels.to(torch.float32).div_(255)
    if settings.erase > 0:
        images = erase(images, draws, settings.erase)
    target = asked.soft(asked.move(truth, draws, settings), num_classes)
    return mix(images, target, batch_seed, settings)
