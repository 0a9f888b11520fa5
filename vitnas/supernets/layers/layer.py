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


class Layer(nn.Module):
    """One layer at one spec. Subclasses take the spec and define `forward(x)`."""

    centred: ClassVar[Mapping[str, tuple[int, ...]]] = {}
    """Parameter name -> axes of which a smaller layer uses the middle instead of the beginning."""

    def __init__(self, spec: LayerSpec) -> None:
        super().__init__()
        self.spec = spec

    def constant(self, name: str, values: NDArray[np.generic]) -> None:
        """Keeps an array that follows from the spec; it is neither trained nor saved nor sliced."""
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(values)), persistent=False)

    def at(self, spec: LayerSpec) -> Self:
        """This layer at a smaller spec, on the same weights.

        The result is valid until the weights next change, as its slices belong to this moment's
        autograd graph; take a new one for every forward pass.
        """
        if spec == self.spec and not self.training:  # a training step may not touch the statistics kept here
            return self
        return cast(Self, _lay_over(_outline(spec), self, self.centred, copy=False))

    def narrow(self, spec: LayerSpec) -> Self:
        """The stand-alone layer of a smaller spec, with its own copy of the weights."""
        return cast(Self, _lay_over(_outline(spec), self, self.centred, copy=True))


def _outline(spec: LayerSpec) -> Layer:
    from vitnas.supernets.layers import outline  # the table of kinds imports this file

    return outline(spec)


def _lay_over(
    plan: nn.Module, source: nn.Module, centred: Mapping[str, tuple[int, ...]], copy: bool, prefix: str = ""
) -> nn.Module:
    """A module with the structure of `plan` and the weights of `source`, cropped."""
    result = object.__new__(type(plan))
    result.__dict__.update(plan.__dict__)
    parameters: dict[str, Tensor | None] = {}
    for name, small in plan._parameters.items():
        large: Tensor | None = source._parameters[name]
        if small is None or large is None:
            parameters[name] = None
            continue
        view = crop(large, small.shape, centred.get(prefix + name, ()))
        parameters[name] = nn.Parameter(view.detach().clone(), large.requires_grad) if copy else view
    buffers: dict[str, Tensor | None] = {}
    for name, held in plan._buffers.items():
        large = source._buffers[name]
        if held is None or large is None:
            buffers[name] = None
            continue
        if name in plan._non_persistent_buffers_set:
            buffers[name] = held.to(large.device)
            continue
        # Statistics that a training step updates must not leak into other archs, so it gets a copy.
        view = crop(large, held.shape, centred.get(prefix + name, ()))
        buffers[name] = view.clone() if copy or source.training else view
    modules = {
        name: child and _lay_over(child, cast(nn.Module, source._modules[name]), centred, copy, f"{prefix}{name}.")
        for name, child in plan._modules.items()
    }
    # Straight into the dictionary: a module's own attribute setter would register everything anew.
    result.__dict__.update(training=source.training, _parameters=parameters, _buffers=buffers, _modules=modules)
    return result


LAYER_NORM_EPS = {"layer": 1e-5, "layer-1e-6": 1e-6}
"""The layer norms that a spec may name; the smaller epsilon counts where channels hardly differ."""


def init_weight(weight: Tensor, fan_in: int) -> Tensor:
    """Draws a weight that sums over `fan_in` inputs.

    Vision transformers are usually drawn with a deviation of 0.02 whatever their width, which suits
    widths near 600; half of 1/sqrt(fan_in) is the same there and trains narrow networks as well.
    """
    return nn.init.trunc_normal_(weight, std=0.5 * fan_in**-0.5)


def crop(tensor: Tensor, shape: torch.Size, centred: tuple[int, ...] = ()) -> Tensor:
    """The first entries of every axis of `tensor`, or the middle ones of the `centred` axes."""
    for axis, size in enumerate(shape):
        extra = tensor.shape[axis] - size
        if extra:
            tensor = tensor.narrow(axis, extra // 2 if axis in centred else 0, size)
    return tensor
