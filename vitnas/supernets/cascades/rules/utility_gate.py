"""Utility gate (after ECO-M2F): a linear map of the answer learns where it pays to stop."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.cascades.rules.exit_rule import ExitRule

DECAY = 1e-2
"""Of the weights over standardised features, beside the mean loss of an image."""
ITERATIONS = 60
LEAST_WEIGHT = 1e-3
"""An image of which nothing hangs on where it is answered counts at least this."""


class UtilityGate(ExitRule):
    """sigmoid(w . features + b), where features are the probabilities and the largest of them.

    Its target is whether answering here has the greatest utility: right or wrong, less what the milliseconds are worth. Each
    image counts by how much hangs on it.
    """

    name = "gate"
    weight: Tensor
    bias: Tensor

    def __init__(self, classes: int, weights: Sequence[float] = ()) -> None:
        super().__init__(classes, weights)
        *weight, bias = weights
        self.register_buffer("weight", torch.tensor(weight, dtype=torch.float32))
        self.register_buffer("bias", torch.tensor(bias, dtype=torch.float32))

    @classmethod
    def num_weights(cls, classes: int) -> int:
        return classes + 2

    def forward(self, logits: Tensor) -> Tensor:
        # A sum of products, not a linear layer: formats that quantise those leave this one as it is.
        return torch.sigmoid((_features(logits) * self.weight).sum(dim=-1) + self.bias)

    @classmethod
    def fit(cls, logits: Tensor, gains: Tensor) -> tuple[float, ...]:
        features = _features(logits).double()
        mean, deviation = features.mean(0), features.std(0, correction=0).clamp(min=1e-3)
        x, target, stakes = (features - mean) / deviation, (gains >= 0).double(), gains.abs().double() + LEAST_WEIGHT
        weight = torch.zeros(x.shape[1], dtype=x.dtype, requires_grad=True)
        bias = torch.zeros((), dtype=x.dtype, requires_grad=True)
        solver = torch.optim.LBFGS([weight, bias], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            solver.zero_grad()
            found = F.binary_cross_entropy_with_logits(x @ weight + bias, target, stakes / stakes.mean())
            found = found + DECAY / 2 * weight.square().sum()
            found.backward()  # type: ignore[no-untyped-call]
            return found

        solver.step(loss)  # type: ignore[no-untyped-call]
        scaled = weight.detach() / deviation
        return (*scaled.tolist(), float(bias.detach() - scaled @ mean))


def _features(logits: Tensor) -> Tensor:
    probabilities = logits.softmax(dim=-1)
    return torch.cat([probabilities, probabilities.amax(dim=-1, keepdim=True)], dim=-1)
