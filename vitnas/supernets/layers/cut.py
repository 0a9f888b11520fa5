"""Cut: how a smaller layer lies inside a larger one, worked out once for each pair of specs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from operator import mul
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers.kinds import outline

if TYPE_CHECKING:
    from vitnas.supernets.layers.layer import Layer


class Part(NamedTuple):
    """Which entries of a larger tensor a smaller one is: so many of each axis, from `starts` on or from the beginning."""

    shape: tuple[int, ...]
    starts: tuple[int, ...] | None

    def of(self, whole: Tensor) -> Tensor:
        """The part as a view. One operation, whose gradient is one copy into zeros, however many axes are cropped."""
        strides = whole.stride()
        if self.starts is None:
            return whole.as_strided(self.shape, strides)
        return whole.as_strided(self.shape, strides, whole.storage_offset() + sum(map(mul, self.starts, strides)))


class Averages(NamedTuple):
    """Of two axes means over the places that each of fewer places covers, of the others the first entries."""

    shape: tuple[int, ...]
    axes: tuple[int, int]

    def of(self, whole: Tensor) -> Tensor:
        last = [*(axis for axis in range(whole.ndim) if axis not in self.axes), *self.axes]
        maps = whole.permute(last)
        size = self.shape[self.axes[0]], self.shape[self.axes[1]]
        means = F.adaptive_avg_pool2d(maps.reshape(-1, 1, *maps.shape[-2:]), size).reshape(*maps.shape[:-2], *size)
        back = means.permute([last.index(axis) for axis in range(whole.ndim)])
        return crop(back, torch.Size(self.shape))


def part_of(whole: torch.Size, shape: torch.Size, centred: tuple[int, ...] = ()) -> Part | None:
    """The first entries of every axis, or the middle ones of the `centred` axes; None if that is all of them."""
    if whole == shape:
        return None
    extras = [large - small for large, small in zip(whole, shape, strict=True)]
    if min(extras) < 0:
        raise ValueError(f"a tensor of {tuple(whole)} holds none of {tuple(shape)}")
    starts = tuple(extra // 2 if axis in centred else 0 for axis, extra in enumerate(extras))
    return Part(tuple(shape), starts if any(starts) else None)


def crop(tensor: Tensor, shape: torch.Size, centred: tuple[int, ...] = ()) -> Tensor:
    """The first entries of every axis of `tensor`, or the middle ones of the `centred` axes."""
    part = part_of(tensor.shape, shape, centred)
    return tensor if part is None else part.of(tensor)


class Cut:
    """One module of the smaller layer, and for each of its tensors which part of the larger one's it is.

    It holds structure, shapes and constants but no weights, so all supernets of a process share it.
    """

    def __init__(self, small: nn.Module, large: nn.Module, layer: Layer, prefix: str = "") -> None:
        own = ("_parameters", "_buffers", "_modules", "training")
        self._type = type(small)
        self._fields = {name: value for name, value in small.__dict__.items() if name not in own}
        constants = small._non_persistent_buffers_set
        self._constants = {name: small._buffers[name] for name in constants}
        self._constants_on: dict[torch.device, dict[str, Tensor | None]] = {}

        def parts(tensors: Mapping[str, Tensor | None], wholes: Mapping[str, Tensor | None]) -> _Parts:
            return tuple(
                (name, _part(layer, prefix + name, whole.shape, tensor.shape))
                for name, tensor in tensors.items()
                if tensor is not None and (whole := wholes[name]) is not None
            )

        statistics = {name: buffer for name, buffer in small._buffers.items() if name not in constants}
        self._parameters = parts(small._parameters, large._parameters)
        self._statistics = parts(statistics, large._buffers)
        self._no_parameters: dict[str, Tensor | None] = dict.fromkeys(small._parameters)
        self._no_statistics: dict[str, Tensor | None] = dict.fromkeys(statistics)
        self._children = {
            name: child if child is None else Cut(child, large.get_submodule(name), layer, f"{prefix}{name}.")
            for name, child in small._modules.items()
        }
        self.has_statistics: bool = bool(self._statistics) or any(
            child is not None and child.has_statistics for child in self._children.values()
        )

    def lay_over(self, large: nn.Module, copy: bool) -> nn.Module:
        """The smaller module, on the weights of the larger one or on a copy of them."""
        training, wholes = large.training, large._parameters
        parameters: dict[str, Tensor | None] = self._no_parameters.copy()
        for name, part in self._parameters:
            whole = wholes[name]
            if whole is not None:
                view = whole if part is None else part.of(whole)
                parameters[name] = nn.Parameter(view.detach().clone(), whole.requires_grad) if copy else view
        buffers = self._no_statistics.copy()
        # Statistics that a training step updates must not leak into other archs: a batch norm does without any, others
        # get a copy.
        if copy or not (training and issubclass(self._type, _BatchNorm)):
            for name, part in self._statistics:
                held = large._buffers[name]
                if held is not None:
                    seen = held if part is None else part.of(held)
                    buffers[name] = seen.clone() if copy or training else seen
        if self._constants:
            buffers |= self._constants_beside(large)
        modules = large._modules
        children = {
            name: child if child is None else child.lay_over(modules[name], copy)  # type: ignore[arg-type]
            for name, child in self._children.items()
        }
        # Straight into the dictionary: a module's own attribute setter would register everything anew.
        result = object.__new__(self._type if copy else type(large))  # batch norms may learn together
        result.__dict__.update(
            self._fields, training=training, _parameters=parameters, _buffers=buffers, _modules=children
        )
        return result

    def _constants_beside(self, large: nn.Module) -> dict[str, Tensor | None]:
        device = next(large._buffers[name] for name in self._constants).device  # type: ignore[union-attr]
        if device not in self._constants_on:
            self._constants_on[device] = {n: c if c is None else c.to(device) for n, c in self._constants.items()}
        return self._constants_on[device]


_Parts = tuple[tuple[str, Part | Averages | None], ...]


def _part(layer: Layer, name: str, whole: torch.Size, shape: torch.Size) -> Part | Averages | None:
    places = layer.averaged.get(name, ())
    if any(whole[axis] != shape[axis] for axis in places):
        return Averages(tuple(shape), layer.averaged[name])
    return part_of(whole, shape, layer.centred.get(name, ()))


@lru_cache(maxsize=100_000)
def cut(small: LayerSpec, large: LayerSpec) -> Cut:
    """How the layer of one spec lies inside that of another of its kind."""
    layer = outline(large)
    return Cut(outline(small), layer, layer)
