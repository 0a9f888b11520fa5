"""A running average of the weights: what a run is judged by, smoother than the weights that training moves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class WeightAverage:
    """The exponential moving average of all parameters of a network.

    The first updates weigh more than the rest, (1 + n) / (10 + n) instead of `decay` as long as that is less,
    so that a short training does not remember its random start.
    """

    def __init__(self, net: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self._net = net
        self.weights = {name: p.detach().clone() for name, p in net.named_parameters()}

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the weights as they are now."""
        self.updates += 1
        kept = min(self.decay, (1 + self.updates) / (10 + self.updates))
        own, now = list(self.weights.values()), [p.detach() for p in self._net.parameters()]
        torch._foreach_lerp_(own, now, 1 - kept)

    @contextmanager
    @torch.no_grad()
    def in_place(self) -> Iterator[None]:
        """The network with the averaged weights, for as long as the block lasts."""
        before = {name: p.detach().clone() for name, p in self._net.named_parameters()}
        self._fill(self.weights)
        try:
            yield
        finally:
            self._fill(before)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Tensor], updates: int) -> None:
        """Takes up what an earlier average had come to."""
        for name, own in self.weights.items():
            own.copy_(weights[name])
        self.updates = updates

    def _fill(self, weights: Mapping[str, Tensor]) -> None:
        for name, p in self._net.named_parameters():
            p.copy_(weights[name])
