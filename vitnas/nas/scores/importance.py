"""Importance: how much an arch keeps of what matters on the weights of a supernet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vitnas.search_spaces import Arch
from vitnas.search_spaces.site_values import SiteValues

if TYPE_CHECKING:
    from vitnas.supernets.data import Images
    from vitnas.supernets.supernet import Supernet


@dataclass(frozen=True, eq=False)
class WeightImportance(SiteValues):
    """The sum of (weight x gradient)^2 over the weights that an arch has, 1 for all weights there are.

    To first order, setting a weight to zero changes the loss by weight x gradient (Molchanov et al., 2019). A layer of
    an arch keeps the slice that the supernet would give it, so one table of sums gives the importance of whole
    populations.
    """

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
        from vitnas.supernets.pruning.importances.weight_gradient import by_labels, some_archs, squared
        from vitnas.supernets.pruning.of_weights import kept_sums, working_copy

        drawn = archs or some_archs(supernet, seed)
        own = working_copy(supernet, images, drawn[0])
        scored = squared(own, images.sample(num_images, seed), drawn, by_labels)
        return cls(supernet.space, kept_sums(scored))
