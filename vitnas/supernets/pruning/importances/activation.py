"""Activation energy: how much a channel varies, times how strongly it is read."""

from __future__ import annotations

from torch import Tensor

from vitnas.supernets.compensation import ProductMoments
from vitnas.supernets.pruning.of_moments import OfMoments


class ActivationEnergy(OfMoments):
    """The variance of an input times the squared norm of its column; a constant input is no loss, the bias takes it."""

    def groups(self, product: ProductMoments, weights: Tensor, groups: Tensor) -> Tensor:
        energy = product.covariance.double().diagonal() * weights.square().sum(dim=0)
        return energy[groups].sum(dim=1)
