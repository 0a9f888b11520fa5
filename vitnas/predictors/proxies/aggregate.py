"""Several proxies as one score: ranks are added up, as the scores themselves have no common unit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError

Scores = NDArray[np.float64]

ASSEMBLIES: Mapping[str, tuple[str, ...]] = {
    "as-vit": ("length-distortion", "ntk"),
    "az-nas": ("expressivity", "progressivity", "trainability", "macs"),
    "aggregate": ("params", "macs", "dss", "synflow", "naswot", "expressivity"),
}
"""Scores that compare archs with each other, and the proxies whose ranks they add up.

`aggregate` takes one proxy of every kind that measures how much a network can hold: its size, its work, the flow through
its weights (attention apart), how differently it treats images, and how many directions its features use. Proxies of
gradients on random labels and of single conditions (snip, grad-norm, ntk, trainability, ...) say whether a
network trains at all; archs of one space with residuals and norms all do, so there they would only add noise.
"""


def log_rank(scores: Scores) -> Scores:
    """log(rank / n), the worst having rank 1, equal scores the mean of their ranks."""
    from scipy.stats import rankdata

    found: Scores = np.log(rankdata(scores) / len(scores))
    return found


def assemble(parts: Mapping[str, Scores]) -> Scores:
    """The mean of log ranks (AZ-NAS): to be bad in one thing costs more than to be good in another gains.

    A part in which all archs are equal says nothing and drops out.
    """
    if not parts or len({len(scores) for scores in parts.values()}) != 1:
        raise DataError("to assemble scores, each proxy must have scored the same archs")
    for name, scores in parts.items():
        if not np.isfinite(scores).all():
            bad = int(np.flatnonzero(~np.isfinite(scores))[0])
            raise DataError(f"score {bad} of proxy '{name}' is {scores[bad]}, which has no rank; leave that arch out")
    found: Scores = np.mean([log_rank(scores) for scores in parts.values()], axis=0)
    return found
