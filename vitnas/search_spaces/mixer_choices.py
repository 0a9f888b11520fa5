"""What each token mixer needs on a map of some width and side, and where it does not fit.

A choice answers with the layer, or with None where the map does not allow the mixer. All numbers
but the heads follow from the side alone and heads grow with the width, so the blocks of one stage can
share weights.
"""

from __future__ import annotations

from collections.abc import Callable

from vitnas.search_spaces.blueprint import LayerSpec, Scalar

HEAD_WIDTH = 32
ALL_PAIRS_SIDE = 28
"""The largest map on which every place may attend to every other."""
MASKED_PAIRS_SIDE = 16
"""The largest map for mixers that keep a matrix over all pairs of places."""

Choice = Callable[[int, int], LayerSpec | None]


def _layer(kind: str, width: int, side: int, **attrs: Scalar) -> LayerSpec:
    return LayerSpec.of(kind, (width, side, side), (width, side, side), **attrs)


def _headed(kind: str, width: int, side: int, **attrs: Scalar) -> LayerSpec:
    return _layer(kind, width, side, heads=width // HEAD_WIDTH, head_width=HEAD_WIDTH, **attrs)


def _window_of(side: int) -> int | None:
    """7 where it divides the map, as published; else another window that does."""
    return next((window for window in (7, 4, 8, 6, 5) if side % window == 0), None)


def _shrink_of(side: int) -> int | None:
    """The smallest factor that leaves at most 8x8 places, and more than one."""
    return next((factor for factor in range(2, side) if side % factor == 0 and side // factor <= 8), None)


def _pooling(width: int, side: int) -> LayerSpec | None:
    return _layer("pooling_mixer", width, side, kernel=3)


def _convnext(width: int, side: int) -> LayerSpec | None:
    return _layer("convnext_block", width, side, kernel=7, hidden=4 * width)


def _window(width: int, side: int) -> LayerSpec | None:
    window = _window_of(side)
    return None if window is None else _headed("window_attention", width, side, window=window, shift=False)


def _shifted_window(width: int, side: int) -> LayerSpec | None:
    window = _window_of(side)
    return None if window in (None, side) else _headed("window_attention", width, side, window=window, shift=True)


def _reduction(width: int, side: int) -> LayerSpec | None:
    factor = _shrink_of(side)
    return None if factor is None else _headed("spatial_reduction_attention", width, side, reduction=factor)


def _pooled_reduction(width: int, side: int) -> LayerSpec | None:
    factor = _shrink_of(side)
    return None if factor is None else _headed("pooled_reduction_attention", width, side, reduction=factor)


def _hilo(width: int, side: int) -> LayerSpec | None:
    factor, heads = _shrink_of(side), width // HEAD_WIDTH
    if factor is None:
        return None
    low = heads * 9 // 10
    return _layer(
        "hilo_attention", width, side, high_heads=heads - low, low_heads=low, head_width=HEAD_WIDTH, window=factor
    )


def _attention(width: int, side: int) -> LayerSpec | None:
    return _headed("map_attention", width, side) if side <= ALL_PAIRS_SIDE else None


MIXERS: dict[str, Choice] = {
    "pooling": _pooling,
    "convnext": _convnext,
    "pooled_reduction": _pooled_reduction,
    "hilo": _hilo,
    "window": _window,
    "shifted_window": _shifted_window,
    "spatial_reduction": _reduction,
    "attention": _attention,
}
"""Name -> layer at (width, side), roughly from the least to the most costly at 14x14."""
