"""The spec of an MBConv, with what follows from its shapes and widths."""

from __future__ import annotations

from vitnas.search_spaces.blueprint import LayerSpec, Shape


def mbconv(
    shape: Shape, out_shape: Shape, hidden: int, *, kernel: int, stride: int, squeeze: int, act: str
) -> LayerSpec:
    """From map to map through `hidden` channels; as many as come in mean that there is no expansion.

    `squeeze` are the channels of its squeeze-and-excitation, 0 for none.
    """
    return LayerSpec.of(
        "mbconv",
        shape,
        out_shape,
        hidden=hidden,
        kernel=kernel,
        stride=stride,
        squeeze=squeeze,
        expand=hidden > shape[0],
        project=shape[0] != out_shape[0],
        act=act,
    )
