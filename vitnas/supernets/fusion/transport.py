"""Transport: which channels of one network go to which places of another, each channel and each place of equal mass."""

from __future__ import annotations

from math import lcm, log

import numpy as np
import torch
from torch import Tensor

EXACT = 2048
"""Parts of mass up to which numbers are assigned exactly; those of which one is a multiple of the other always are."""
BLUR, ROUNDS = 0.005, 200
"""Of the span of similarities, the temperature of the Sinkhorn iteration; and its rounds."""


def transport(similarity: Tensor) -> Tensor:
    """The optimal transport of uniform masses: the plan of the largest total similarity.

    Where masses divide into few equal parts, as for equal numbers, it is a linear assignment of the parts and so exact: a
    permutation for equal numbers. Otherwise the plan of Sinkhorn's iteration, rounded to the masses.

    Args:
        similarity: (places, channels).

    Returns:
        (places, channels), what each place takes of each channel: rows add up to 1, columns to places / channels.
    """
    places, channels = similarity.shape
    parts = lcm(places, channels)
    if parts <= max(EXACT, places, channels):
        return _assigned(similarity, parts)
    return _sinkhorn(similarity)


def _assigned(similarity: Tensor, parts: int) -> Tensor:
    from scipy.optimize import linear_sum_assignment

    places, channels = similarity.shape
    per_place, per_channel = parts // places, parts // channels
    each = similarity.double().cpu().numpy().repeat(per_place, axis=0).repeat(per_channel, axis=1)
    rows, columns = linear_sum_assignment(each, maximize=True)
    plan = np.zeros((places, channels))
    np.add.at(plan, (rows // per_place, columns // per_channel), 1.0)
    return torch.from_numpy(plan / per_place)


def _sinkhorn(similarity: Tensor) -> Tensor:
    """Cuturi (2013), in logarithms; what its rounds leave of the masses is spread as in Altschuler et al. (2017)."""
    places, channels = similarity.shape
    told = similarity.double().cpu()
    found = told / (BLUR * float(told.max() - told.min()) or 1.0)
    for _ in range(ROUNDS):
        found = found - found.logsumexp(dim=1, keepdim=True)
        found = found - found.logsumexp(dim=0, keepdim=True) + log(places / channels)
    plan = found.exp()
    plan = plan / plan.sum(dim=1, keepdim=True).clamp(min=1)
    plan = plan * (places / channels / plan.sum(dim=0)).clamp(max=1)
    rows, columns = (1 - plan.sum(dim=1)).clamp(min=0), (places / channels - plan.sum(dim=0)).clamp(min=0)
    return plan + torch.outer(rows, columns) / rows.sum().clamp(min=1e-300)
