"""Random numbers that are a function of a seed and a purpose alone: no generator, no state, no order of drawing."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

# SplitMix64 of Steele, Lea and Flood (2014); the constants as signed numbers, since torch multiplies int64 modulo 2^64.
_STEP, _FIRST, _SECOND = (c - (1 << 64) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
_BITS = 24
"""Of a uniform number: what float32 holds without rounding."""


def scramble(x: Tensor) -> Tensor:
    """Maps int64 to int64, one to one, so that neighbours have nothing in common."""
    x = x + _STEP
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def uniform(keys: Tensor) -> Tensor:
    """Scrambled keys as float32 in [0, 1)."""
    return _shifted(keys, 64 - _BITS).to(torch.float32) * 2.0**-_BITS


def seeds_of(seed: int, epoch: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """The seed of the augmentation of every image in an epoch.

    Args:
        seed: of the training.
        epoch: from 0.
        indices: positions of the images in the training set.
    """
    key = scramble(scramble(torch.tensor([seed])) + epoch)
    seeds: NDArray[np.int64] = scramble(key + torch.from_numpy(np.asarray(indices, dtype=np.int64))).numpy()
    return seeds


def batch_seed_of(seed: int, step: int) -> int:
    """The seed of what a whole batch shares: whether and how much its images are mixed."""
    key = scramble(scramble(torch.tensor([seed])) ^ zlib.crc32(b"batch"))
    return int(scramble(key + step)) & ((1 << 63) - 1)


class Draws:
    """What each image of a batch draws, on the processor."""

    def __init__(self, seeds: Tensor) -> None:
        self.seeds = seeds.cpu()

    def __getitem__(self, purpose: str) -> NDArray[np.float64]:
        """One number in [0, 1) for every image; another purpose gives an independent one."""
        numbers: NDArray[np.float64] = uniform(self.keys(purpose)).double().numpy()
        return numbers

    def keys(self, purpose: str) -> Tensor:
        return scramble(scramble(self.seeds) ^ zlib.crc32(purpose.encode()))


def _shifted(x: Tensor, bits: int) -> Tensor:
    """The unsigned shift to the right, which torch lacks."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
