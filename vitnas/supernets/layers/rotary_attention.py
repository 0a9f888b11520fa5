"""Rotary attention: softmax self-attention whose queries and keys are turned by the place of their patch (DINOv3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, Natural, about
from vitnas.supernets.layers.slim_attention import SlimAttention


class RotaryAttention(SlimAttention):
    """Slim attention with queries and keys turned by angles that grow with the row and the column of a patch.

    Row and column lie between -1 and 1. The first half of the channels of a head pairs with the second; the first half of
    the pairs turns by the row, the second by the column. Tokens before the patches are not turned.
    """

    @dataclass(frozen=True)
    class Attrs(SlimAttention.Attrs):
        leading: Annotated[Natural, about("tokens before the patches, such as a class token and registers")] = 1
        temperature: Annotated[Count, about("the longest period is nearly this many times the shortest")] = 100

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        key_width, patches = self.attrs.key_width, spec.in_shape[0] - self.attrs.leading
        side = math.isqrt(max(patches, 0))
        if key_width % 4 or side * side != patches:
            raise SpaceError(
                f"layer kind '{spec.kind}' turns pairs of channels by rows and columns of a square grid: key_width must be a "
                f"multiple of 4 and the tokens after the leading ones a square, got {key_width} and {patches}"
            )
        angles = np.concatenate(
            [
                np.zeros((self.attrs.leading, key_width)),
                np.tile(_angles(side, key_width // 4, self.attrs.temperature), 2),
            ]
        )
        self.constant("cosines", np.cos(angles).astype(np.float32))
        self.constant("sines", np.sin(angles).astype(np.float32))

    def placed(self, x_BHTE: Tensor) -> Tensor:
        first, second = x_BHTE.chunk(2, dim=-1)
        return x_BHTE * self.cosines + torch.cat([-second, first], dim=-1) * self.sines  # type: ignore[operator]


def _angles(side: int, periods: int, temperature: int) -> NDArray[np.float64]:
    """(side * side, 2 * periods): of every patch, for each period, those of its row and then those of its column."""
    place = (np.arange(side) + 0.5) / side * 2 - 1
    turns = 2 * math.pi * place[:, None] / temperature ** (np.arange(periods) / periods)
    pairs = np.broadcast_to(turns[:, None], (side, side, periods)), np.broadcast_to(turns[None], (side, side, periods))
    found: NDArray[np.float64] = np.concatenate(pairs, axis=-1).reshape(side * side, -1)
    return found
