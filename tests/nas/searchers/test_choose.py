from __future__ import annotations

import numpy as np
import pytest

from tests.nas.problem import BIG, SMALL, accuracy, latency, posed
from vitnas.errors import SearchError, SettingsError
from vitnas.nas.searchers import SEARCHERS
from vitnas.nas.searchers.choose import default, make_searcher
from vitnas.nas.searchers.linas import Linas
from vitnas.nas.settings import SearchSettings


def chosen(space, importance=None, **settings):
    asked = SearchSettings(**settings)
    return make_searcher(posed(space, asked, importance=importance), asked)


@pytest.mark.parametrize("name", [n for n in SEARCHERS if SEARCHERS.load(n).over_predictions])
def test_with_a_predictor_it_walks_over_predictions(name):
    found = chosen(BIG, searcher=name, predictor="ridge", population=10, generations=2)
    assert isinstance(found, Linas)
    assert found.inner is SEARCHERS.load(name)


@pytest.mark.parametrize("name", ["nsga2", "tpe", "slimming"])
def test_otherwise_it_asks_for_true_evaluations(name):
    found = chosen(BIG, accuracy, searcher=name, predictor="none" if name == "nsga2" else "ridge")
    assert type(found) is SEARCHERS.load(name)


def test_linas_needs_a_predictor():
    with pytest.raises(SettingsError, match="needs a predictor"):
        chosen(BIG, searcher="linas", predictor="none")


def test_slimming_needs_a_supernet():
    with pytest.raises(SearchError, match="trained supernet"):
        chosen(BIG, searcher="slimming")


def test_population_is_small_enough_to_evolve():
    assert chosen(BIG, searcher="nsga2", predictor="none", evaluations=200, population=100).population == 25
    assert chosen(BIG, searcher="nsga2", predictor="none", evaluations=3, population=100).population == 2
    assert chosen(BIG, searcher="nsga2", predictor="none", evaluations=2000, population=100).population == 100


def test_default():
    """Of a small space all predictions are made; else the number of objectives decides."""
    assert default(SMALL, 2, predicts=True) == "exhaustive"
    assert [default(BIG, k, predicts=True) for k in (1, 2, 3, 5)] == ["regularised", "nsga2", "nsga3", "nsga3"]
    assert default(SMALL, 2, predicts=False) == "nsga2"


def test_a_small_space_is_predicted_whole():
    found = chosen(SMALL, searcher="linas", predictor="ridge", population=10)
    assert isinstance(found, Linas)
    assert found.inner is SEARCHERS.load("exhaustive")
    assert (found.generations, found.population >= SMALL.genome.size()) == (1, True)
    first = found.ask(60)
    found.tell(first, np.stack([-accuracy(first), latency(SMALL)(first)], axis=1))
    assert len(found.ask(5)) == 5
