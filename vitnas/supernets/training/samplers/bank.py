"""Bank: the archs of one level that did best so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vitnas.search_spaces import Arch


class Bank:
    """At most `capacity` archs with the loss each had, in the order in which they came."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.losses: dict[Arch, float] = {}

    def __len__(self) -> int:
        return len(self.losses)

    def add(self, arch: Arch, loss: float) -> None:
        """Takes an arch it does not have: while there is room, then in place of the worst if that did worse."""
        if arch in self.losses or not math.isfinite(loss):
            return
        if len(self) >= self.capacity:
            worst = max(self.losses, key=self.losses.__getitem__)
            if loss >= self.losses[worst]:
                return
            del self.losses[worst]
        self.losses[arch] = loss

    def refresh(self, losses: Mapping[Arch, float]) -> None:
        """New losses of archs it has; what has no finite loss any more is dropped."""
        for arch in [arch for arch in self.losses if arch in losses]:
            if math.isfinite(losses[arch]):
                self.losses[arch] = losses[arch]
            else:
                del self.losses[arch]

    def best(self) -> Arch:
        return min(self.losses, key=self.losses.__getitem__)

    def draw(self, rng: np.random.Generator) -> Arch:
        """An arch with a probability that falls as the exponential of its loss."""
        archs, losses = list(self.losses), np.array(list(self.losses.values()))
        weights = np.exp(losses.min() - losses)
        return archs[int(rng.choice(len(archs), p=weights / weights.sum()))]

    def state(self) -> list[Any]:
        return [[arch.to_json(), loss] for arch, loss in self.losses.items()]

    def load_state(self, state: Sequence[Any]) -> None:
        self.losses = {Arch.from_json(arch): float(loss) for arch, loss in state}
