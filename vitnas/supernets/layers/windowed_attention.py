"""Windowed attention of plain ViTs (ViTDet, RF-DETR): patches look at those of their window, on the weights of attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.errors import SpaceError
from vitnas.search_spaces import LayerSpec
from vitnas.settings import Count, about
from vitnas.supernets.layers.attention import TokenAttention

# Shape suffixes: N images times heads, H heads, L leading tokens, P patches, W windows, S patches of one window, T tokens, E head width.


class WindowedAttention(TokenAttention):
    """(T, D) -> (T, D): attention in which a patch sees the leading tokens and the patches of its window.

    Class token and registers lead and see all tokens, so that windows hear of one another. Where there is one window this is
    `attention` to the bit, and windows have no weights: blocks of any number of them share theirs.
    """

    @dataclass(frozen=True)
    class Attrs(TokenAttention.Attrs):
        columns: Annotated[Count, about("patches of a row; 1 where there is one window")]
        windows: Annotated[Count, about("windows along each axis, which divide rows and columns")]
        leading: Annotated[Count, about("tokens before the patches")] = 1

    attrs: Attrs

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__(spec)
        patches, columns, windows = spec.in_shape[0] - self.attrs.leading, self.attrs.columns, self.attrs.windows
        if patches % columns or columns % windows or patches // columns % windows:
            raise SpaceError(
                f"layer kind 'windowed_attention': {patches} patches in rows of {columns} are not divided by {windows}x{windows} "
                "windows; choose columns that divide the patches, and windows that divide rows and columns"
            )

    def forward(self, x: Tensor) -> Tensor:
        q_BHTE, k_BHTE, v_BHTE = self.queries_keys_values(x)
        if self.attrs.windows == 1:
            return self.added(x, F.scaled_dot_product_attention(q_BHTE, k_BHTE, v_BHTE))
        leading = self.attrs.leading
        first_BHLE = F.scaled_dot_product_attention(q_BHTE[:, :, :leading], k_BHTE, v_BHTE)
        q_NWSE = self._windows(q_BHTE[:, :, leading:])
        k_NWTE, v_NWTE = (self._with_leading(both) for both in (k_BHTE, v_BHTE))
        patches = self._patches(F.scaled_dot_product_attention(q_NWSE, k_NWTE, v_NWTE))
        return self.added(
            x, torch.cat([first_BHLE, patches.reshape(*x.shape[:1], self.attrs.heads, -1, q_BHTE.shape[-1])], dim=2)
        )

    def _with_leading(self, x_BHTE: Tensor) -> Tensor:
        """(N, W, L + S, E), of every window its patches and before them what leads."""
        leading = self.attrs.leading
        windows_NWSE = self._windows(x_BHTE[:, :, leading:])
        first_NWLE = x_BHTE[:, :, :leading].flatten(0, 1).unsqueeze(1).expand(-1, windows_NWSE.shape[1], -1, -1)
        return torch.cat([first_NWLE, windows_NWSE], dim=2)

    def _windows(self, x_BHPE: Tensor) -> Tensor:
        """(N, W, S, E); no more than four axes on the way, as not every target takes six."""
        windows, columns, width = self.attrs.windows, self.attrs.columns, x_BHPE.shape[-1]
        down, across = x_BHPE.shape[2] // columns // windows, columns // windows
        rows = x_BHPE.reshape(-1, down, windows, across * width)
        return rows.transpose(1, 2).reshape(-1, windows * windows, down * across, width)

    def _patches(self, x_NWSE: Tensor) -> Tensor:
        """(N, P, E), the patches row by row again."""
        windows, columns, width = self.attrs.windows, self.attrs.columns, x_NWSE.shape[-1]
        across = columns // windows
        down = x_NWSE.shape[2] // across
        rows = x_NWSE.reshape(-1, windows, down, across * width).transpose(1, 2)
        return rows.reshape(-1, windows * windows * down * across, width)
