"""Several proxies as one score: archs are compared with each other, as the scores themselves have no common unit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError

Scores = NDArray[np.float64]
IN_ONE_GO = 2_000_000


@dataclass(frozen=True)
class Assembly:
    """Proxies, and how their scores become one."""

    parts: tuple[str, ...]
    join: Callable[[NDArray[np.float64]], Scores]

    def __call__(self, scores: Mapping[str, Scores]) -> Scores:
        """One score an arch, from an array for each part."""
        found = [scores[part] for part in self.parts]
        if len({len(values) for values in found}) != 1:
            raise DataError("to assemble scores, each proxy must have scored the same archs")
        for name, values in zip(self.parts, found, strict=True):
            if not np.isfinite(values).all():
                bad = int(np.flatnonzero(~np.isfinite(values))[0])
                raise DataError(
                    f"score {bad} of proxy '{name}' is {values[bad]}, which has no rank; leave that arch out"
                )
        return self.join(np.stack(found))


def mean_log_rank(scores: NDArray[np.float64]) -> Scores:
    """The mean over parts of log(rank / n), the worst having rank 1, equal scores the mean of their ranks (AZ-NAS).

    To be bad in one thing costs more than to be good in another gains.
    """
    from scipy.stats import rankdata

    found: Scores = np.log(rankdata(scores, axis=1) / scores.shape[1]).mean(axis=0)
    return found


def consensus(scores: NDArray[np.float64]) -> Scores:
    """The share of archs that an arch is better than, less the share that are better than it.

    One arch is better than another where no part says otherwise and one says so. Where parts contradict each other,
    nothing is concluded, so what moves one part alone does not decide.
    """
    parts, n = scores.shape
    found = np.zeros(n)
    step = max(1, IN_ONE_GO // (parts * n))
    for start in range(0, n, step):
        some = scores[:, start : start + step, None] - scores[:, None, :]
        better = (some >= 0).all(axis=0) & (some > 0).any(axis=0)
        worse = (some <= 0).all(axis=0) & (some < 0).any(axis=0)
        found[start : start + step] = better.sum(axis=1) - worse.sum(axis=1)
    share: Scores = found / n
    return share


ASSEMBLIES: Mapping[str, Assembly] = {
    "as-vit": Assembly(("length-distortion", "ntk"), mean_log_rank),
    "az-nas": Assembly(("expressivity", "progressivity", "trainability", "macs"), mean_log_rank),
    "aggregate": Assembly(("params", "macs", "feature-rank"), consensus),
}
"""Scores that compare archs with each other.

`aggregate` asks how much a network can hold, in three ways: its weights, its work and the directions of its features.
Proxies of gradients and of single conditions (snip, grad-norm, ntk, trainability, ...) say whether a network trains at
all; archs of one space with residuals and norms all do, so there they would only add noise.
"""
