"""Simulates a published method on a network: its accuracy can be judged, and nothing of it is executed by a runtime."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from vitnas.errors import SettingsError
from vitnas.search_spaces.precision import Precision
from vitnas.supernets.quantisers import QUANTISERS
from vitnas.supernets.quantisers.calls import Calls, Factor
from vitnas.supernets.quantisers.integer_only import INTEGER_FUNCTIONS, cut_tail, in_integers
from vitnas.supernets.quantisers.quantiser import Quantiser, Role
from vitnas.supernets.quantisers.shifted import Shifted
from vitnas.supernets.quantisers.simulation import Simulation
from vitnas.supernets.quantisers.uniform import UniformQuantiser

NUM_IMAGES = 32
"""To calibrate with, as most of the papers have it."""
MOST_VALUES = 2**14
"""Of a tensor, that a quantiser is fitted to."""
NORM_BITS = 8
"""Of what a LayerNorm takes at least, where that is quantised."""
ENDS_BITS = 8
"""Of the first and the last product of a network at least, as most of the papers have it."""


class SimulatedNetwork(nn.Module):
    """A network whose products see quantised numbers. It computes in float, so the time that it takes says nothing.

    Attributes:
        network: as it was given.
        simulation: the method.
        precision: of all products but the first and the last.
    """

    def __init__(self, network: nn.Module, simulation: Simulation, precision: Precision, images: Tensor) -> None:
        super().__init__()
        self.network, self.simulation, self.precision = network, simulation, precision
        with torch.no_grad():
            with _Watching() as seen:
                network(images)
            if not seen.products:
                raise SettingsError(
                    "the network computes no linear layer, convolution or matrix product that is seen; give it as it was cut out or "
                    "trained, and not traced or folded"
                )
            self._fitted = _Fitted(simulation, precision, seen)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Tensor:
        with _Quantising(self._fitted):
            answer: Tensor = self.network(x)
        return answer

    @property
    def softmax_error(self) -> float:
        """Mean squared error at what softmax gave, over all images that were looked at."""
        return self._fitted.squares / max(1, self._fitted.numbers)


def simulate(network: nn.Module, method: Simulation, precision: Precision, images: Tensor) -> SimulatedNetwork:
    """A network with the quantisers of a method, fitted to what it makes of some images in float.

    Batch norms need not be folded: a scale of output channels changes no step of weights that have one a channel.

    Args:
        network: in evaluation mode; its weights stay as they are.
        method: such as ``SIMULATIONS["RepQ-ViT"]``.
        precision: such as ``Precision.of("w4a4")``: of weights, and of everything that products multiply.
        images: (N, C, H, W), about `NUM_IMAGES`.
    """
    if any(module.training for module in network.modules()):
        raise SettingsError("a network is simulated as it is evaluated; call its eval() first")
    if not precision.integer:
        raise SettingsError(
            f"a method is simulated at bits of weights and of activations, such as 'w8a8', not '{precision}'"
        )
    return SimulatedNetwork(network, method, precision, images)


class _Watching(Calls):
    """Keeps samples of factors, and the weights whole."""

    def __init__(self) -> None:
        super().__init__()
        self.factors: dict[Factor, Tensor] = {}
        self.inputs: dict[int, tuple[str, Tensor]] = {}
        self.normed: dict[int, Tensor] = {}

    def factor(self, factor: Factor, x: Tensor) -> Tensor:
        whole = factor.role is Role.WEIGHTS
        self.factors[factor] = x if whole else _rows(x) if factor.normed else _sample(x)
        return x

    def function(self, number: int, name: str, x: Tensor, axis: int) -> Tensor | None:
        self.inputs[number] = name, _sample(x)
        if name == "layer_norm":
            self.normed[number] = _rows(x)
        return None


class _Fitted:
    """What stands in the place of factors and functions, by their numbers."""

    def __init__(self, method: Simulation, precision: Precision, seen: _Watching) -> None:
        self.squares, self.numbers = 0.0, 0
        self.quantisers: dict[tuple[int, int], Quantiser] = {}
        self.weights: dict[int, Tensor] = {}
        self.functions: dict[int, UniformQuantiser] = {}
        self.norms: dict[int, Quantiser] = {}
        for factor, values in seen.factors.items():
            bits = precision.weight_bits if factor.role is Role.WEIGHTS else precision.activation_bits
            bits = max(bits, ENDS_BITS) if factor.product in (0, seen.products - 1) else bits
            if factor.role is Role.WEIGHTS:
                self.weights[factor.product] = _quantised(values, method, bits, self.quantisers[factor.product, 0])
            else:
                weight = seen.factors.get(replace(factor, side=1, role=Role.WEIGHTS, normed=False))
                self.quantisers[factor.product, factor.side] = _fit(method, factor, values, bits, weight)
        if method.norms:
            bits = max(precision.activation_bits, NORM_BITS)
            for number, values in seen.normed.items():
                self.norms[number] = _steps(method.norms).fit(values, bits, axis=-1)
        if method.integer_functions:
            for number, (name, values) in seen.inputs.items():
                _, bits = INTEGER_FUNCTIONS[name]
                cut = method.tail and name == "gelu"
                self.functions[number] = (
                    cut_tail(values, bits) if cut else UniformQuantiser.fit(values, bits, symmetric=True, clip=False)
                )


class _Quantising(Calls):
    """Has the fitted quantisers in the place of all factors."""

    def __init__(self, fitted: _Fitted) -> None:
        super().__init__()
        self.fitted = fitted

    def factor(self, factor: Factor, x: Tensor) -> Tensor:
        if factor.role is Role.WEIGHTS:
            return self.fitted.weights[factor.product]
        quantised = self.fitted.quantisers[factor.product, factor.side](x)
        if factor.role is Role.SOFTMAX:
            self.fitted.squares += float((quantised - x).square().sum())
            self.fitted.numbers += x.numel()
        return quantised

    def taken(self, number: int, name: str, x: Tensor) -> Tensor:
        return self.fitted.norms[number](x) if number in self.fitted.norms else x

    def function(self, number: int, name: str, x: Tensor, axis: int) -> Tensor | None:
        if number not in self.fitted.functions:
            return None
        return in_integers(name, x.movedim(axis, -1), self.fitted.functions[number]).movedim(-1, axis)


def _fit(method: Simulation, factor: Factor, values: Tensor, bits: int, weight: Tensor | None) -> Quantiser:
    """The quantiser of a factor; `weight` is what it is multiplied by, if that is one."""
    if method.channels and factor.normed:
        kind = _steps(method.channels)
        if issubclass(kind, Shifted):
            return kind.fit(values, bits, axis=-1, weight=weight)
        return kind.fit(values, bits, axis=-1)
    return QUANTISERS.load(method.at(factor.role)).fit(values, bits)


def _quantised(weight: Tensor, method: Simulation, bits: int, inputs: Quantiser) -> Tensor:
    """A weight as it is multiplied; uniform steps are one an output channel.

    Where inputs have a step a channel, the weight takes those steps over before it is quantised (`to_per_tensor`).
    """
    steps = inputs.scale.view(-1) if isinstance(inputs, UniformQuantiser) and inputs.scale.ndim else torch.ones(())
    kind = QUANTISERS.load(method.weights)
    wide = weight * steps
    quantiser = (
        kind.fit(wide, bits, axis=0, symmetric=True) if issubclass(kind, UniformQuantiser) else kind.fit(wide, bits)
    )
    return quantiser(wide) / steps


def _steps(name: str) -> type[UniformQuantiser]:
    kind = QUANTISERS.load(name)
    if not issubclass(kind, UniformQuantiser):
        raise SettingsError(f"quantiser '{name}' has no steps of channels; take a kind of uniform steps")
    return kind


def _sample(x: Tensor) -> Tensor:
    """Some of its numbers in even steps."""
    flat = x.flatten()
    return flat[:: max(1, len(flat) // MOST_VALUES)].clone()


def _rows(x: Tensor) -> Tensor:
    """Some of its rows, a number a channel."""
    rows = x.flatten(0, -2)
    return rows[:: max(1, rows.numel() // MOST_VALUES // 8)].clone()
