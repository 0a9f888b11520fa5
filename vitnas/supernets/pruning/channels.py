"""Channels: which entries of which weights belong to one channel of an attribute, found by comparing two outlines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from vitnas.errors import VitnasError
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.layers import Layer, build, outline

SAME = 3e-5
"""How far the answers of a layer may differ, relative to the largest, before and after its channels are exchanged."""


@dataclass(frozen=True)
class ChannelAxis:
    """One axis of a weight that has `block` neighbouring entries for every channel."""

    name: str
    axis: int
    block: int


@dataclass(frozen=True)
class Channels:
    """The channels of one attribute of a layer, or of its width.

    Attributes:
        size: how many there are.
        axes: of the weights and saved statistics, where they lie.
        refused: why they may not be exchanged, or "".
    """

    size: int
    axes: tuple[ChannelAxis, ...] = ()
    refused: str = ""

    def sums(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """``(size,)``: for each channel the sum over its entries of all the tensors that are given."""
        found = torch.zeros(self.size, dtype=torch.float64)
        for where in self.axes:
            if where.name in tensors:
                values = tensors[where.name].detach().double().cpu().movedim(where.axis, 0)
                found += values[: self.size * where.block].reshape(self.size, -1).sum(dim=1)
        return found

    @torch.no_grad()
    def permute(self, layer: nn.Module, order: Tensor) -> None:
        """Moves channel `order[i]` to place i, in the weights themselves; what a larger layer has beyond them stays."""
        tensors = layer.state_dict(keep_vars=True)
        for where in self.axes:
            whole = tensors[where.name]
            places = torch.arange(whole.shape[where.axis])
            within = order.cpu()[:, None] * where.block + torch.arange(where.block)
            places[: within.numel()] = within.flatten()
            whole.copy_(whole.index_select(where.axis, places.to(whole.device)))


def attributes_of(spec: LayerSpec) -> list[str]:
    """The attributes of a layer that are numbers above 1, so that there may be channels of them."""
    return [name for name, value in spec.attrs if type(value) is int and value > 1]


@lru_cache(maxsize=10_000)
def channels_of(spec: LayerSpec, attribute: str) -> Channels:
    """The channels of an attribute, tried on random weights: a layer answers the same however they are ordered."""
    size = int(spec[attribute])
    less = LayerSpec.of(spec.kind, spec.in_shape, spec.out_shape, **{**dict(spec.attrs), attribute: size - 1})
    found = _compare(spec, less, size)
    return found if found.refused else _tried(spec, found)


@lru_cache(maxsize=10_000)
def width_of(spec: LayerSpec, read: bool, written: bool) -> Channels:
    """The channels of the maps or tokens that a layer reads, or writes, or both, tried on random weights."""
    size = (spec.in_shape if read else spec.out_shape)[_channel_axis(spec.in_shape if read else spec.out_shape)]
    if size < 2:
        return Channels(size, refused="there is one channel only")
    less = replace(
        spec,
        in_shape=_narrower(spec.in_shape) if read else spec.in_shape,
        out_shape=_narrower(spec.out_shape) if written else spec.out_shape,
    )
    found = _compare(spec, less, size, needs_weights=False)
    return found if found.refused else _tried(spec, found, read, written)


def _channel_axis(shape: tuple[int, ...]) -> int:
    """Of tokens (T, C) and maps (C, H, W), where the channels are."""
    return 1 if len(shape) == 2 else 0


def _narrower(shape: tuple[int, ...]) -> tuple[int, ...]:
    at = _channel_axis(shape)
    return tuple(size - (axis == at) for axis, size in enumerate(shape))


def _compare(spec: LayerSpec, less: LayerSpec, size: int, needs_weights: bool = True) -> Channels:
    """Every axis that is shorter where there is one channel less."""
    try:
        large, small = outline(spec), outline(less)
    except (VitnasError, ValueError, RuntimeError, AssertionError) as error:
        return Channels(size, refused=f"a layer with one less cannot be built: {error}")
    wholes, parts = large.state_dict(), small.state_dict()
    if wholes.keys() != parts.keys():
        return Channels(size, refused="a layer with one less has other weights")
    axes = []
    for name, whole in wholes.items():
        for axis, (long, short) in enumerate(zip(whole.shape, parts[name].shape, strict=True)):
            if long == short:
                continue
            if axis in large.centred.get(name, ()) or axis in large.averaged.get(name, ()):
                return Channels(size, refused=f"a smaller '{name}' is the middle or a mean of the larger one")
            if long != (long - short) * size:
                return Channels(size, refused=f"axis {axis} of '{name}' has {long} entries for {size} channels")
            axes.append(ChannelAxis(name, axis, long - short))
    if not axes and needs_weights:
        return Channels(size, refused="no weight has an entry for each")
    return Channels(size, tuple(axes))


@torch.no_grad()
def _tried(spec: LayerSpec, found: Channels, read: bool = False, written: bool = False) -> Channels:
    """The same channels, refused if a layer with random weights answers otherwise once they are exchanged."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = _lively(build(spec))
        x, order = torch.randn(1, *spec.in_shape), torch.randperm(found.size)
    if bool((order == torch.arange(found.size)).all()):
        order = order.flip(0)
    before = layer(x)
    found.permute(layer, order)
    if read:
        x = x.index_select(1 + _channel_axis(spec.in_shape), order)
    if written:
        before = before.index_select(1 + _channel_axis(spec.out_shape), order)
    error = float((layer(x) - before).abs().max() / before.abs().max().clamp(min=1e-12))
    if error <= SAME:
        return found
    return replace(found, refused=f"a layer answers otherwise when they are exchanged, by {error:.1g} of its largest")


def _lively(layer: Layer) -> Layer:
    """Random weights everywhere: zeros and ones would hide what hangs together."""
    for parameter in layer.parameters():
        parameter.normal_(0, (parameter[0].numel() if parameter.ndim > 1 else 4) ** -0.5)
    for name, buffer in layer.named_buffers():
        if name in layer.state_dict() and buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    return layer.eval()
