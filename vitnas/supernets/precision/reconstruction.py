"""Reconstruction: a rounded layer learns to answer as it did in float, by a few hundred steps on some images.

Weights, and biases with them, take steps of their own down the squared error of what the layer answers, rounded in every step
(straight-through). Nothing is needed but images without labels, and what comes out is executed as it was before.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vitnas.search_spaces.precision import Precision
from vitnas.supernets.precision.operands import Affine, Operands, Substitute, record
from vitnas.supernets.precision.products import Place, ProductCall, run_layer
from vitnas.supernets.precision.ranges import Ranges
from vitnas.supernets.precision.rounding import rounded_activation, to_steps, weight_step

NUM_STEPS, BATCH_SIZE = 300, 32

OF_A_STEP, OF_AN_ANSWER = 0.02, 2e-3
"""How far a weight moves in a step of learning, of a step of its codes; and a bias, of the size of an answer."""


def reconstructed(
    site: str,
    layer: nn.Module,
    inputs: tuple[Tensor, Tensor],
    precision: Precision,
    ranges: Ranges,
    operands: Operands,
    num_steps: int = NUM_STEPS,
    seed: int = 0,
) -> Operands:
    """The operands of a layer that has learnt to answer as it does in float; those from before, if it did not become better.

    Args:
        site: of the layer.
        layer: in evaluation mode.
        inputs: what it takes in float, and what it takes where the layers before it are rounded.
        precision: of the layer; a palette is left as it is.
        ranges: of its activations.
        operands: what stands in for its weights so far.
        num_steps: of learning.
        seed: of the batches.
    """
    if precision.palette:
        return operands
    given, rounded = inputs
    with torch.no_grad():
        wanted = layer(given)
        seen, _ = record(site, layer, given[:BATCH_SIZE], operands)
        learner = _Learner(site, operands, seen.calls, precision, ranges)
    learning = learner.rates(seen.answers)
    optimizer = torch.optim.Adam([{"params": [parameter], "lr": rate} for parameter, rate in learning])
    draws = torch.Generator().manual_seed(seed)
    before = learner.error(layer, rounded, wanted)
    for step in range(num_steps):
        for group, (_, rate) in zip(optimizer.param_groups, learning, strict=True):
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * step / num_steps))
        batch = torch.randperm(len(rounded), generator=draws)[:BATCH_SIZE]
        with torch.enable_grad():
            loss = (run_layer(layer, rounded[batch], learner) - wanted[batch]).square().mean()
            gradients = torch.autograd.grad(loss, [parameter for parameter, _ in learning])
        for (parameter, _), gradient in zip(learning, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()
    return learner.operands_now() if learner.error(layer, rounded, wanted) < before else operands


class _Learner(Substitute):
    """Rounds weights that learn, by steps that stay."""

    def __init__(
        self, site: str, operands: Operands, calls: list[ProductCall], precision: Precision, ranges: Ranges
    ) -> None:
        super().__init__(site, operands)
        self.precision, self.ranges = precision, ranges
        self.parameters: dict[Place, Affine] = {}
        self.steps: dict[Place, Tensor] = {}
        for call in calls:
            place = site, call.number
            weight, bias = self.weights(call)
            self.steps[place] = operands.steps.get(place, weight_step(weight, precision))
            self.parameters[place] = _learning(weight), None if bias is None else _learning(bias)

    def rates(self, answers: list[Tensor]) -> list[tuple[Tensor, float]]:
        """What learns, and how fast."""
        found = []
        for (place, (weight, bias)), answer in zip(self.parameters.items(), answers, strict=True):
            found.append((weight, OF_A_STEP * float(self.steps[place].mean())))
            if bias is not None:
                found.append((bias, OF_AN_ANSWER * float(answer.square().mean().sqrt())))
        return found

    def product(self, call: ProductCall) -> Tensor:
        place, bits = (self.site, call.number), self.precision.activation_bits
        weight, bias = self.parameters[place]
        x = call.input
        if self.precision.integer:
            x = rounded_activation(x, *self.ranges.codes(place, bits), bits)
        return call.answer(x, to_steps(weight, self.steps[place], self.precision.weight_bits), bias)

    @torch.no_grad()
    def error(self, layer: nn.Module, x: Tensor, wanted: Tensor) -> float:
        """The mean squared error of the layer's answers."""
        return float((run_layer(layer, x, self) - wanted).square().mean())

    @torch.no_grad()
    def operands_now(self) -> Operands:
        """What was learnt, rounded."""
        bits = self.precision.weight_bits
        learnt: dict[Place, Affine] = {
            place: (to_steps(weight, self.steps[place], bits), None if bias is None else bias.detach())
            for place, (weight, bias) in self.parameters.items()
        }
        return self.operands.with_products(learnt, self.steps)


def _learning(value: Tensor) -> Tensor:
    return value.detach().clone().requires_grad_()
