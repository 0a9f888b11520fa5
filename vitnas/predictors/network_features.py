"""NetworkFeatures: the choices of an arch and what the layers that follow from them cost, kind by kind."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.features import Features
from vitnas.search_spaces import Codes, SearchSpace


class NetworkFeatures(Features):
    """`Features`, then parameters and MACs of all layers of each kind, of the network, and their logarithms.

    What a layer costs is looked up by site, so no arch is lowered.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__(space)
        from vitnas.supernets.counting.cache import count_specs

        specs = space.lowering.specs
        kinds = sorted({spec.kind for spec in specs})
        counts = [(c.num_params / 1e6, c.macs / 1e6) for c in count_specs(space)]
        of_kind = [
            np.where([spec.kind == kind for spec in specs], each, 0.0)
            for each in zip(*counts, strict=True)
            for kind in kinds
        ]
        self._totals = [space.lowering.total(values) for values in of_kind]
        self._before = self.width
        self.groups = (*self.groups, len(self._totals) + 4)

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        """``(n, columns)`` codes to ``(n, features)``."""
        found = np.empty((self.width, len(codes)))
        found[: self._before] = super().__call__(codes).T
        by_kind = found[self._before : -4].reshape(2, len(self._totals) // 2, len(codes))
        for row, total in zip(found[self._before :], self._totals, strict=False):
            row[:] = total(codes)
        found[-4:-2] = by_kind.sum(axis=1)
        found[-2:] = np.log(np.maximum(found[-4:-2], 1e-6))
        return found.T
