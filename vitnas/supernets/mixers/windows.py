"""Maps cut into windows and put together again, cyclic shifts, and offsets between tokens.

The cut is written at rank 4, so that runtimes which stop at rank 5 take it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

HIDDEN = -1e4
"""Added to the score of a pair that must not see each other; finite also in half precision."""


def to_windows(x_BHWD: Tensor, height: int, breadth: int) -> Tensor:
    """(B, H, W, D) -> (B * windows, height * breadth, D); windows row by row, image by image."""
    _, _, columns, width = x_BHWD.shape
    rows = x_BHWD.reshape(-1, height, columns // breadth, breadth * width)
    return rows.permute(0, 2, 1, 3).reshape(-1, height * breadth, width)


def from_windows(y: Tensor, height: int, breadth: int, map_shape: tuple[int, int]) -> Tensor:
    """The inverse of `to_windows`, back to a map of this height and breadth."""
    rows, columns = map_shape
    width = y.shape[-1]
    strips = y.reshape(-1, columns // breadth, height, breadth * width).permute(0, 2, 1, 3)
    return strips.reshape(-1, rows, columns, width)


def cyclic_shift(x: Tensor, steps: int, axis: int) -> Tensor:
    """Moves entries towards the end of an axis, and what falls off to its beginning; steps may be negative."""
    size = x.shape[axis]
    cut = -steps % size
    if cut == 0:
        return x
    return torch.cat([x.narrow(axis, cut, size - cut), x.narrow(axis, 0, cut)], dim=axis)


def offset_index(height: int, breadth: int) -> NDArray[np.int64]:
    """(query, key) -> their place in a flat (2 * height - 1, 2 * breadth - 1) table, for all tokens of a map."""
    return pair_index(height, breadth, 1, (height, breadth))


def pair_index(height: int, breadth: int, dilation: int, reach: tuple[int, int]) -> NDArray[np.int64]:
    """(query, key) -> their place in a flat table of offsets from 1 - reach to reach - 1, for all tokens of a map.

    An offset is the query's place less the key's, in steps of `dilation`. Those beyond the table, of pairs that do not see each
    other, meet its border.
    """
    places = (axis.ravel() for axis in np.mgrid[:height, :breadth])
    steps = ((axis[:, None] - axis[None]) // dilation for axis in places)
    down, across = (np.clip(step + r - 1, 0, 2 * r - 2) for step, r in zip(steps, reach, strict=True))
    found: NDArray[np.int64] = (down * (2 * reach[1] - 1) + across).astype(np.int64)
    return found


def pair_bias(table: Tensor, index: Tensor) -> Tensor:
    """(N, offsets down, offsets across) and (T, T) places in it -> (N, T, T): a constant once trained."""
    return table.flatten(1).index_select(1, index.flatten()).reshape(-1, *index.shape)


def shift_mask(map_shape: tuple[int, int], window: int) -> NDArray[np.float32]:
    """(windows, T, T): 0 for pairs of one region, `HIDDEN` for pairs that a shift by window // 2 brought together."""
    regions = [np.digitize(np.arange(size), [size - window, size - window // 2]) for size in map_shape]
    region = 3 * regions[0][:, None] + regions[1][None]
    rows, columns = (size // window for size in map_shape)
    cut = region.reshape(rows, window, columns, window).transpose(0, 2, 1, 3).reshape(rows * columns, window**2)
    return np.where(cut[:, :, None] == cut[:, None], 0, HIDDEN).astype(np.float32)
