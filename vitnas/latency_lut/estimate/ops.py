"""Op: one operator of a network as a runtime would launch it, described by what costs time. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "conv", "depthwise", "grouped", "linear", "matmul", "norm", "softmax", "activation", "elementwise", "reduce", "pool",
    "reshape", "move", "resize"
]  # fmt: skip


@dataclass(frozen=True)
class Op:
    """A fused operator: normalisation folded into its convolution, the activation behind it applied on the way out.

    Attributes:
        kind: what sort of work it is.
        name: the operator as the framework calls it, such as ``conv2d`` or ``layer_norm``.
        out_shape: with a batch of one in front.
        macs: multiply-accumulates.
        read: numbers it takes from other operators.
        written: numbers it gives.
        weights: constants it needs.
        inner: what one output number sums over: a convolution's input channels and window, K of a product.
        kernel: the side of the window, 1 where there is none.
        stride: of the window.
        channels_in: before it.
        channels_out: behind it.
        batch: how many products a matmul holds (heads times windows), groups of a convolution.
        rank: the most axes of any tensor it touches.
        activation: what it applies to its result.
    """

    kind: Kind
    name: str
    out_shape: tuple[int, ...]
    macs: int = 0
    read: int = 0
    written: int = 0
    weights: int = 0
    inner: int = 1
    kernel: int = 1
    stride: int = 1
    channels_in: int = 1
    channels_out: int = 1
    batch: int = 1
    rank: int = 4
    activation: str = ""
