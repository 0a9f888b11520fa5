"""Hypervolume: how much of the space of objectives a front dominates, as one number to watch and to compare by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import SearchError

MARGIN = 0.1


def hypervolume(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """The exact volume that ``(n, k)`` values, all to minimise, dominate up to a reference point.

    Rows that do not lie below the reference in every objective add nothing; no rows at all have no volume.
    """
    values, reference = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if values.ndim != 2 or reference.shape != values.shape[1:]:
        raise SearchError(
            f"need values of shape (archs, objectives) and one reference value an objective, got {values.shape} and "
            f"{reference.shape}"
        )
    if not (np.isfinite(values).all() and np.isfinite(reference).all()):
        raise SearchError("a hypervolume needs finite values and a finite reference; leave out failed evaluations")
    inside = values[(values < reference).all(axis=1)]
    if len(inside) == 0:
        return 0.0
    if inside.shape[1] <= 2:
        return _area(inside, reference)
    from moocore import hypervolume as volume  # type: ignore[import-untyped]

    return float(volume(inside, ref=reference))


def reference_point(values: NDArray[np.float64], margin: float = MARGIN) -> NDArray[np.float64]:
    """The usual reference: the worst of every objective, and a tenth of its range beyond.

    Beyond, so that the ends of a front count too. It is to be fixed once, from the first archs of a search or from the
    whole space, and kept: volumes for different references cannot be compared. An objective that is the same for all
    gets a margin of 1.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or len(values) == 0:
        raise SearchError(f"a reference point needs some values of shape (archs, objectives), got {values.shape}")
    worst = values.max(axis=0)
    span = worst - values.min(axis=0)
    return np.asarray(worst + margin * np.where(span > 0, span, 1 / margin))


def _area(values: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Of one or two objectives: rectangles between neighbours in the order of the first."""
    if values.shape[1] == 1:
        return float(reference[0] - values.min())
    first, second = values[np.lexsort((values[:, 1], values[:, 0]))].T
    best = np.minimum.accumulate(second)
    widths = np.diff(np.append(first, reference[0]))
    return float((widths * (reference[1] - best)).sum())
