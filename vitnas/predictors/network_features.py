"""NetworkFeatures: the choices of an arch and what the layers that follow from them cost, kind by kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.features import Features
from vitnas.search_spaces import Codes, SearchSpace


class NetworkFeatures(Features):
    """`Features`, then parameters and MACs of all layers of each kind, of the network, and their logarithms.

    A layer's costs are looked up by site, so no arch is lowered.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        from vitnas.supernets.count_cache import count_specs

        self._lowering = space.lowering
        kinds = sorted({spec.kind for spec in space.lowering.specs})
        # The last row answers -1: no layer, no cost.
        self._costs = np.zeros((len(space.lowering.specs) + 1, 2 * len(kinds)))
        for row, (spec, counts) in enumerate(zip(space.lowering.specs, count_specs(space), strict=True)):
            at = 2 * kinds.index(spec.kind)
            self._costs[row, at : at + 2] = counts.num_params / 1e6, counts.macs / 1e6
        self.groups = (*self.groups, 2 * len(kinds) + 4)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """``(n, columns)`` codes to ``(n, features)``."""
        by_kind = np.zeros((len(codes), self._costs.shape[1]))
        for numbers in self._lowering.spec_numbers(codes).T:
            by_kind += self._costs[numbers]
        total = np.stack([by_kind[:, 0::2].sum(axis=1), by_kind[:, 1::2].sum(axis=1)], axis=1)
        return np.hstack([super().__call__(codes), by_kind, total, np.log(np.maximum(total, 1e-6))])
