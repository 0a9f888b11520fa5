"""Which searcher a search gets, and what it is given."""

from __future__ import annotations

from collections.abc import Mapping

from vitnas.nas.limits import Limits
from vitnas.nas.searchers import SEARCHERS, Searcher
from vitnas.nas.searchers.linas import Linas
from vitnas.nas.settings import NO_PREDICTOR, SearchSettings
from vitnas.predictors import PREDICTORS
from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.reach import CostOf


def make_searcher(
    space: SearchSpace, limits: Limits, costs: Mapping[str, CostOf], settings: SearchSettings
) -> Searcher:
    """The searcher that the settings ask for.

    Args:
        space: where archs come from.
        limits: what they may cost.
        costs: quantity -> its value for a whole population.
        settings: with a predictor, their searcher walks over predictions.
    """
    chosen = SEARCHERS.load(settings.searcher)
    if settings.predictor == NO_PREDICTOR:
        return chosen(space, limits, settings.seed, settings.population)
    return Linas(
        space,
        limits,
        settings.seed,
        settings.population,
        objectives=settings.objectives,
        costs=costs,
        inner=chosen,
        predictor=PREDICTORS.load(settings.predictor),
        generations=settings.generations,
    )
