"""Which searcher a search gets, and what it is given."""

from __future__ import annotations

from vitnas.errors import SettingsError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers import SEARCHERS, Searcher
from vitnas.nas.searchers.linas import Linas
from vitnas.nas.settings import AUTO, NO_PREDICTOR, SearchSettings
from vitnas.predictors import PREDICTORS
from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.cost_range import ENUMERABLE

LINAS = "linas"
LEARNABLE = 20_000
"""Above so many true evaluations fitting predictors takes longer than it saves."""
GENERATIONS = 8
"""True evaluations are to last for at least so many generations, or a population does not evolve."""


def make_searcher(problem: Problem, settings: SearchSettings) -> Searcher:
    """The searcher that the settings ask for.

    Args:
        problem: what is searched.
        settings: with a predictor, their searcher walks over predictions if that is worth while.
    """
    name, predicts = settings.searcher, settings.predictor != NO_PREDICTOR
    if name == LINAS and not predicts:
        raise SettingsError(
            f"[search] searcher = '{LINAS}' needs a predictor, and predictor is '{NO_PREDICTOR}'; name one, or another "
            "searcher"
        )
    if name == AUTO:
        predicts &= settings.evaluations <= LEARNABLE
    if name in (AUTO, LINAS):
        name = default(problem.space, len(problem.objectives), predicts)
    chosen = SEARCHERS.load(name)
    if predicts and (chosen.over_predictions or name == "exhaustive"):
        every = name == "exhaustive"
        return Linas(
            problem,
            settings.seed,
            ENUMERABLE if every else settings.population,
            inner=chosen,
            predictor=PREDICTORS.load(settings.predictor),
            generations=1 if every else settings.generations,
        )
    most = max(2, settings.evaluations // GENERATIONS)
    return chosen(problem, settings.seed, min(settings.population, most))


def default(space: SearchSpace, num_objectives: int, predicts: bool) -> str:
    """What "auto" stands for: over predictions if they are made, else over true evaluations."""
    if predicts and space.genome.size() <= ENUMERABLE:
        return "exhaustive"
    return {1: "regularised", 2: "nsga2"}.get(num_objectives, "nsga3")
