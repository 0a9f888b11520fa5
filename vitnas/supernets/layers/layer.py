"""Layer: ordinary modules whose weights can be seen at a smaller spec.

A kind of layer is written once, as plain PyTorch for one fixed spec. Sharing needs no second
class: `at(spec)` lays the structure of the smaller layer over slices of the larger one's weights.
Every axis of a weight has one role (query/key/value, head, channel, ...), so taking the first
entries of each axis keeps roles; axes named in `centred` (kernels, offset tables) keep the middle.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.attributes import Attributes
from vitnas.supernets.layers.cut import crop, cut


class Layer(nn.Module):
    """One layer at one spec. Subclasses take the spec and define `forward(x)`."""

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    """Parameter name -> axes of which a smaller layer uses the middle instead of the beginning."""

    averaged: ClassVar[Mapping[str, tuple[int, int]]] = {}
    """Parameter name -> the two axes of places, such as of absolute positions: each place of a smaller map takes the
    mean over the places that it covers."""

    Attrs: ClassVar[type[Attributes]] = Attributes
    """What this kind is told beside its shapes; a kind that takes attributes declares its own class of this name."""

    attrs: Attributes
    """Those of this layer, checked."""

    residual: ClassVar[bool] = False
    """Whether this kind adds to its input, layer(x) = x + f(x); see `is_residual`."""

    per_token: ClassVar[bool] = False
    """Whether every token, or place of a map, is answered for by itself."""

    fitted: ClassVar[tuple[str, ...]] = ()
    """Buffers that are weights: they were fitted to images, and training leaves them."""

    resampled: ClassVar[bool] = False
    """Whether weights are made for the spec from those that are trained, so that what is deployed is a layer of another kind."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__()
        self.spec = spec
        self.attrs = self.Attrs.of(spec)

    def is_residual(self) -> bool:
        """Whether this layer is x + f(x), so that leaving f out leaves a network."""
        return self.residual and self.spec.in_shape == self.spec.out_shape

    def deployed(self) -> nn.Module:
        """This layer, in evaluation mode, with weights that are made of others computed once, as exported graphs have them."""
        return self

    def counted(self) -> nn.Module:
        """What MACs are counted on: this layer as deployed, or as its authors wrote it, where it takes fewer products."""
        return self.deployed()

    def constant(self, name: str, values: NDArray[np.generic]) -> None:
        """Keeps an array that follows from the spec; it is neither trained nor saved nor sliced."""
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)), persistent=False)

    def at(self, spec: LayerSpec) -> Self:
        """This layer at a smaller spec, on the same weights.

        The result is valid until the weights next change, as its slices belong to this moment's
        autograd graph; take a new one for every forward pass.
        """
        here = cut(spec, self.spec)
        # A training step may not touch the statistics kept here.
        if spec == self.spec and not (self.training and here.has_statistics):
            return self
        return cast(Self, here.lay_over(self, copy=False))

    def narrow(self, spec: LayerSpec) -> Self:
        """The stand-alone layer of a smaller spec, with its own copy of the weights."""
        return cast(Self, cut(spec, self.spec).lay_over(self, copy=True))


LAYER_NORM_EPS = {"layer": 1e-5, "layer-1e-6": 1e-6}
"""The layer norms that a spec may name; the smaller epsilon counts where channels hardly differ."""


def init_weight(weight: Tensor, fan_in: int) -> Tensor:
    """Draws a weight that sums over `fan_in` inputs.

    Vision transformers are usually drawn with a deviation of 0.02 whatever their width, which suits
    widths near 600; half of 1/sqrt(fan_in) is the same there and trains narrow networks as well.
    """
    return nn.init.trunc_normal_(weight, std=0.5 * fan_in**-0.5)


__all__ = ["LAYER_NORM_EPS", "Layer", "crop", "init_weight"]
