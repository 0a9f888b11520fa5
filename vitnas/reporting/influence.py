"""Which genes the figures of archs hang on, told from the archs that a search evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def influences(genes: Sequence[dict[str, Any]], names: Sequence[str], values: Floats) -> dict[str, float]:
    """For every gene, the share of the variance of a figure that its choice alone explains, 0 to 1.

    Of the archs that have the gene. It is epsilon squared, the correlation ratio less what chance would explain, so a
    gene of many choices and few archs does not look important. A search favours good archs, and genes that it set together
    share what they explain: this is what the search saw, not an experiment.

    Args:
        genes: of every arch, by flat name.
        names: of the genes to look at.
        values: ``(n,)`` of the figure; rows that are NaN are left out.
    """
    known = np.isfinite(values)
    return {name: _explained([one.get(name) for one in genes], values, known) for name in names}


def _explained(choices: Sequence[Any], values: Floats, known: NDArray[np.bool_]) -> float:
    rows = [i for i, choice in enumerate(choices) if choice is not None and known[i]]
    groups: dict[Any, list[float]] = {}
    for i in rows:
        groups.setdefault(choices[i], []).append(float(values[i]))
    n, k = len(rows), len(groups)
    if k < 2 or n <= k:
        return 0.0
    everything = np.concatenate([np.array(group) for group in groups.values()])
    total = float(((everything - everything.mean()) ** 2).sum())
    within = float(sum(((np.array(group) - np.mean(group)) ** 2).sum() for group in groups.values()))
    if total <= 0:
        return 0.0
    by_chance = (k - 1) * within / (n - k)
    return max(0.0, (total - within - by_chance) / total)
