"""Output error: what of a channel the others cannot make up for."""

from __future__ import annotations

import torch
from torch import Tensor

from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.compensation import ProductMoments
from vitnas.supernets.data import Images
from vitnas.supernets.pruning.costs import error_table
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.of_moments import OfMoments
from vitnas.supernets.supernet import Supernet


class OutputError(OfMoments):
    """The error that is left after compensation, for a channel that is removed alone, and for whole archs.

    Of the inverse of the moments, the block of a channel is the inverse of what the other inputs leave open of it.
    """

    def groups(self, product: ProductMoments, weights: Tensor, groups: Tensor) -> Tensor:
        moments = product.covariance.double()
        inverse = torch.linalg.inv(moments + product.ridge * torch.eye(len(moments), dtype=moments.dtype))
        unexplained = torch.linalg.inv(inverse[groups[:, :, None], groups[:, None, :]])
        columns = weights.T[groups]
        errors: Tensor = ((unexplained @ columns) * columns).sum(dim=(1, 2))
        return errors

    @classmethod
    def check(cls, space: SearchSpace) -> None:
        """A layer of a kind that was not looked at counts as one that is left out."""

    def table(self, net: Supernet, images: Images) -> SiteValues:
        """Minus the error of every layer, in units of what the whole network carries; 0 for the largest arch."""
        compensation = net.compensation or measure_moments(net, images, None, self.num_images, self.seed)
        carried = sum(float(power.sum()) for power in compensation.powers.values())
        costs = error_table(net, compensation)
        return SiteValues(net.space, -costs.table / (carried if carried > 0 else 1.0))
