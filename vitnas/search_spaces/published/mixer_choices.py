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


def _cross_window(width: int, side: int) -> LayerSpec | None:
    # 1, 2, 7 and 7 on the maps of a 224 px image, as published.
    stripe = {56: 1, 28: 2, 14: 7, 7: 7}.get(side) or next(s for s in (4, 2, 3, 1) if side % s == 0)
    half_heads, head_width = width // HEAD_WIDTH, HEAD_WIDTH // 2
    return _layer("cross_window_attention", width, side, half_heads=half_heads, head_width=head_width, stripe=stripe)


def _linear(width: int, side: int) -> LayerSpec | None:
    return _headed("linear_attention", width, side, kernel=7 if side >= 7 else 3)


def _additive(width: int, side: int) -> LayerSpec | None:
    return _layer("additive_attention", width, side, kernel=3)


def _global_query(width: int, side: int) -> LayerSpec | None:
    for window in (7, 4, 5, 6, 3):
        halvings = (side // window).bit_length() - 1
        if side >= window and side == window << halvings:
            return _headed("global_query_attention", width, side, window=window, halvings=halvings)
    return None


def _neighbourhood(width: int, side: int, dilation: int = 1) -> LayerSpec | None:
    kernel = min(7, (side // dilation - 1) | 1)
    kernel = kernel if kernel * dilation <= side else kernel - 2
    if side > MASKED_PAIRS_SIDE or kernel < 3:
        return None
    return _headed("neighbourhood_attention", width, side, kernel=kernel, dilation=dilation)


def _dilated_neighbourhood(width: int, side: int) -> LayerSpec | None:
    return _neighbourhood(width, side, dilation=2)


def _retention(width: int, side: int) -> LayerSpec | None:
    return _headed("retention", width, side, causal=False) if side <= MASKED_PAIRS_SIDE else None


def _mixture_mask(width: int, side: int) -> LayerSpec | None:
    return _headed("mixture_mask_attention", width, side, bells=4) if side <= MASKED_PAIRS_SIDE else None


def _large_kernel(width: int, side: int) -> LayerSpec | None:
    kernel = 13 if side > 7 else 7
    return _layer("large_kernel", width, side, kernel=kernel, family=kernel)


def _recursive_gate(width: int, side: int) -> LayerSpec | None:
    return _layer("recursive_gate", width, side, order=3, kernel=7)


def _spectral(width: int, side: int) -> LayerSpec | None:
    return _layer("spectral_gate", width, side)


def _scale_aware(width: int, side: int) -> LayerSpec | None:
    return _layer("scale_aware_modulation", width, side, scales=4)


def _mix_shift(width: int, side: int) -> LayerSpec | None:
    return _layer("mix_shift", width, side, kernels="1.3.5.5.7") if side >= 4 else None


def _gated_linear_unit(width: int, side: int) -> LayerSpec | None:
    return _layer("gated_linear_unit", width, side, hidden=width, kernel=3)


def _lookup(width: int, side: int) -> LayerSpec | None:
    factor = _shrink_of(side)
    return None if factor is None else lookup(width, side, side // factor)


def lookup(width: int, side: int, grid: int) -> LayerSpec:
    """A lookup by so many compressed tokens along each axis."""
    return _headed("lookup", width, side, grid=grid, hidden=4 * width)


MIXERS: dict[str, Choice] = {
    "pooling": _pooling,
    "mix_shift": _mix_shift,
    "convnext": _convnext,
    "spectral": _spectral,
    "large_kernel": _large_kernel,
    "hilo": _hilo,
    "gated_linear_unit": _gated_linear_unit,
    "pooled_reduction": _pooled_reduction,
    "additive": _additive,
    "spatial_reduction": _reduction,
    "recursive_gate": _recursive_gate,
    "window": _window,
    "shifted_window": _shifted_window,
    "global_query": _global_query,
    "linear": _linear,
    "cross_window": _cross_window,
    "scale_aware": _scale_aware,
    "attention": _attention,
    "mixture_mask": _mixture_mask,
    "neighbourhood": _neighbourhood,
    "dilated_neighbourhood": _dilated_neighbourhood,
    "retention": _retention,
    "lookup": _lookup,
}
"""Name -> layer at (width, side), from the least to the most MACs at 14x14; the FFN in a ConvNeXt block left out."""
