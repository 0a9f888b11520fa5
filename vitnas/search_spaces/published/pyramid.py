"""What hierarchical spaces with a gene for the resolution share: shapes of maps, blocks that depth switches off."""

from __future__ import annotations

from collections.abc import Callable

from vitnas.search_spaces.blueprint import LayerSpec, Shape


def map_shape(width: int, resolution: int, stride: int) -> Shape:
    """The shape of a map at a stride from the image; every halving rounds up."""
    side = -(-resolution // stride)
    return (width, side, side)


def when_deeper(n: int, layer: Callable[..., LayerSpec]) -> Callable[..., LayerSpec | None]:
    """Of ``(resolution, depth, *others)``: the layer of block n in archs that are that deep, without the depth."""
    return lambda resolution, depth, *others: layer(resolution, *others) if depth > n else None
