"""Importance: how much an arch keeps of what matters on the weights of a supernet."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.search_spaces import Arch, Codes, SearchSpace

if TYPE_CHECKING:
    from vitnas.supernets.data import Images
    from vitnas.supernets.supernet import Supernet


@dataclass(frozen=True, eq=False)
class WeightImportance:
    """The sum of (weight x gradient)^2 over the weights that an arch has, 1 for all weights there are.

    To first order, setting a weight to zero changes the loss by weight x gradient (Molchanov et al., 2019). A layer of
    an arch keeps the slice that the supernet would give it, so one table of sums gives the importance of whole
    populations.

    Attributes:
        space: of the archs.
        table: a row a site and a column a layer that may stand there, in the order of `space.lowering`; the last
            column is of no layer.
    """

    space: SearchSpace
    table: NDArray[np.float64]

    @classmethod
    def of(
        cls, supernet: Supernet, images: Images, archs: Sequence[Arch] = (), num_images: int = 512, seed: int = 0
    ) -> WeightImportance:
        """Runs some images forward and backward.

        Args:
            supernet: trained; it is left as it was.
            images: to take a loss on, with their labels.
            archs: whose losses to take; by default the largest, and four drawn at random for kinds of layers that it
                does not have.
            num_images: how many of the images, in batches of 64.
            seed: of the archs and of which images.
        """
        if len(images) == 0:
            raise DataError("importance needs images to take a loss on; give at least one")
        space = supernet.space
        rng = np.random.default_rng(seed)
        drawn = archs or [space.largest(), *space.decode(space.genome.sample_evenly(4, rng))]
        scored = _scored(supernet, images.sample(num_images, seed), drawn)
        number = {spec: i for i, spec in enumerate(space.lowering.specs)}
        # The last column answers -1: no layer, no importance.
        table = np.zeros((len(space.lowering.sites), len(number) + 1))
        for row, (site, specs) in enumerate(space.lowering.specs_at().items()):
            for spec in specs:
                kept = scored._layer(site, spec).narrow(spec)
                table[row, number[spec]] = sum(float(p.detach().double().sum()) for p in kept.parameters())
        whole = table.max(axis=1).sum()
        return cls(space, table / (whole if whole > 0 else 1.0))

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        numbers = self.space.lowering.spec_numbers(codes)
        found: NDArray[np.float64] = self.table[np.arange(numbers.shape[1]), numbers].sum(axis=1)
        return found


def _scored(supernet: Supernet, images: Images, archs: Sequence[Arch]) -> Supernet:
    """A copy whose weights are the scores of the weights."""
    import torch
    from torch.nn import functional as F

    own = deepcopy(supernet).eval()
    device = next(own.parameters()).device
    scores = [torch.zeros_like(weight) for weight in own.parameters()]
    for x, y in images.batches(64):
        for arch in archs:
            own.zero_grad()
            F.cross_entropy(own(x.to(device), arch), y.to(device)).backward()  # type: ignore[no-untyped-call]
            for score, weight in zip(scores, own.parameters(), strict=True):
                if weight.grad is not None:
                    score += (weight.detach() * weight.grad) ** 2
    with torch.no_grad():
        for score, weight in zip(scores, own.parameters(), strict=True):
            weight.copy_(score)
    return own
