"""Smoothing: channels that a norm makes large are made smaller there, and larger by the weights that read them.

Activations have one scale a tensor, so that one large channel takes the codes from all others; weights bear it better. The
function in float stays as it is: dividing the affine of a norm by s and multiplying the columns of its readers' weights by s
(SmoothQuant, RepQ-ViT). The readers are found by trying: a norm is scaled by powers of two, which rounds nothing, and a product
reads it if its input is then scaled alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vitnas.supernets.precision.operands import Affine, CallRecorder, Operands, Substitute, record
from vitnas.supernets.precision.products import NormCall, ProductCall, run_layer

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The power of a channel's largest number that moves into the weights: at 0 none of it, at 1 all channels become alike."""

_EXACT, _NEAR = 1e-6, 1e-5
LIMIT = 2.0**10
"""By how much a channel is scaled at most."""


@dataclass(frozen=True, eq=False)
class Readers:
    """The products that read a norm, and nobody else does.

    Attributes:
        site: of the layer.
        norm: the number of the norm.
        products: the numbers of the products.
        largest: (channels,), the largest number of each channel that was seen.
    """

    site: str
    norm: int
    products: tuple[int, ...]
    largest: Tensor

    def scales(self, strength: float) -> Tensor:
        """By what each channel is divided in the norm."""
        seen = self.largest.clamp(min=self.largest.max() / LIMIT)
        if not bool(seen.max() > 0):
            return torch.ones_like(seen)
        return (seen / seen.log().mean().exp()) ** strength

    def scaled(self, operands: Operands, seen: CallRecorder, scales: Tensor) -> Operands:
        """The operands with these scales moved from the norm into the weights."""
        one = seen.norms[self.norm]
        weight, bias = operands.norms.get((self.site, self.norm), (one.weight, one.bias))
        affine = weight / scales, None if bias is None else bias / scales
        products: dict[tuple[str, int], Affine] = {}
        for number in self.products:
            call = seen.calls[number]
            weight, bias = operands.products.get((self.site, number), (call.weight, call.bias))
            products[self.site, number] = times_inputs(weight, scales, call.groups), bias
        return operands.with_norms({(self.site, self.norm): affine}).with_products(products)


def times_inputs(weight: Tensor, scales: Tensor, groups: int) -> Tensor:
    """A weight whose inputs, channel by channel, count so many times."""
    each = scales.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))
    return (weight.reshape(groups, -1, *weight.shape[1:]) * each).reshape(weight.shape)


@torch.no_grad()
def readers_of(site: str, layer: nn.Module, x: Tensor, operands: Operands = Operands()) -> list[Readers]:
    """The norms of a layer that products alone read, with these products.

    Args:
        site: of the layer.
        layer: in evaluation mode.
        x: some of its inputs.
        operands: what stands in for its weights.
    """
    seen, expected = record(site, layer, x, operands)
    found = []
    for norm in seen.norms:
        powers = torch.randint(-1, 2, norm.weight.shape, generator=torch.Generator().manual_seed(norm.number))
        trial = _Trial(site, operands, seen, norm.number, 2.0 ** powers.to(norm.weight))
        answer = run_layer(layer, x, trial)
        if trial.readers and torch.allclose(answer, expected, rtol=_NEAR, atol=_NEAR * float(expected.abs().max())):
            inputs = [_channels(seen.calls[number]) for number in trial.readers]
            largest = torch.stack([each.abs().amax(dim=0) for each in inputs]).amax(dim=0)
            found.append(Readers(site, norm.number, tuple(trial.readers), largest))
    return found


def _channels(call: ProductCall) -> Tensor:
    """(rows, channels): the input of a product."""
    return call.input.movedim(call.axis, -1).flatten(0, -2)


class _Trial(Substitute):
    """Scales one norm, and has every product that reads it make up for that."""

    def __init__(self, site: str, operands: Operands, before: CallRecorder, norm: int, scales: Tensor) -> None:
        super().__init__(site, operands)
        self.before, self.scaled, self.scales = before, norm, scales
        self.readers: list[int] = []

    def norm(self, call: NormCall) -> Tensor:
        if call.number != self.scaled:
            return super().norm(call)
        weight, bias = self.affine(call)
        return call.answer(weight * self.scales, None if bias is None else bias * self.scales)

    def product(self, call: ProductCall) -> Tensor:
        before = self.before.calls[call.number].input
        if before.shape[call.axis] == len(self.scales):
            shape = [1] * before.ndim
            shape[call.axis] = -1
            expected = before * self.scales.view(shape)
            if torch.allclose(call.input, expected, rtol=_EXACT, atol=_EXACT * float(before.abs().max())):
                self.readers.append(call.number)
                weight, bias = self.weights(call)
                return call.answer(call.input, times_inputs(weight, 1 / self.scales, call.groups), bias)
        return super().product(call)


@torch.no_grad()
def smoothed(
    site: str, layer: nn.Module, x: Tensor, operands: Operands, error: Callable[[Operands], float]
) -> tuple[Operands, Mapping[int, float]]:
    """The operands of a layer with the best strength of each of its norms, one norm after the other.

    Args:
        site: of the layer.
        layer: in evaluation mode.
        x: some of its inputs.
        operands: what stands in for its weights so far.
        error: how far the rounded layer's answers are off with such operands.

    Returns:
        operands, and the strength of each norm that products read.
    """
    strengths: dict[int, float] = {}
    for readers in readers_of(site, layer, x, operands):
        seen, _ = record(site, layer, x[:2], operands)
        tried = {0.0: operands}
        for strength in STRENGTHS[1:]:
            tried[strength] = readers.scaled(operands, seen, readers.scales(strength))
        best = min(tried, key=lambda strength: error(tried[strength]))
        operands, strengths[readers.norm] = tried[best], best
    return operands, strengths
