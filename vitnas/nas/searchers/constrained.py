"""Constrained evolution, as Once-for-All and ViT-ResNAS search below a limit: elites of all history, half and half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.searchers.evolving import Evolving, repeats
from vitnas.nas.searchers.ranking import best_first
from vitnas.search_spaces import Codes

ELITE = 0.25
MUTATION = 0.1


class ConstrainedEvolution(Evolving):
    """Parents are the best quarter of a population out of all that were ever seen.

    Half of the children are mutants of one parent, each gene with probability 0.1; the other half take every gene from
    one of two parents, and one gene changes if that is a parent again. Limits are kept by repair, which stops just below
    them; the published searches draw again until a child fits, which may never be.
    """

    def _keep(self, values: NDArray[np.float64]) -> NDArray[np.intp]:
        return best_first(values)[: self.population]

    def _breed(self, n: int) -> Codes:
        genome = self.space.genome
        elite = self._codes[: max(2, round(ELITE * self.population))]
        mutants = elite[self.rng.integers(len(elite), size=n - n // 2)]
        left, right = elite[self.rng.integers(len(elite), size=(2, n // 2))]
        children = genome.cross_over(left, right, self.rng)
        again = repeats(children, left, right)
        children[again] = genome.mutate(children[again], self.rng, 0.0)
        return np.concatenate([genome.mutate(mutants, self.rng, MUTATION), children])
