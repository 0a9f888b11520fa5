from __future__ import annotations

import time

import numpy as np
import pytest

from vitnas.errors import SettingsError
from vitnas.predictors import auto
from vitnas.predictors.auto import Auto
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
CODES = np.unique(SPACE.genome.sample(60, np.random.default_rng(0)), axis=0)
SCORES = np.random.default_rng(1).normal(size=len(CODES)) * 0.1 + np.maximum(CODES, 0).sum(axis=1)


def test_the_best_of_all_candidates_wins_and_predicts():
    found = Auto(SPACE).fit(CODES, SCORES)
    assert [trial.predictor for trial in found.trials] == list(auto.CANDIDATES)
    assert found.winner.report.kendall == max(trial.report.kendall for trial in found.trials)
    alone = auto._class(found.winner.predictor)(SPACE, **found.winner.options).fit(CODES, SCORES)
    np.testing.assert_array_equal(found.predict(CODES).mean, alone.predict(CODES).mean)
    assert found.report == alone.report


def test_a_weak_candidate_does_not_win():
    def wave(codes):
        return np.sin(np.maximum(codes, 0).sum(axis=1) * 1.3)  # no line ranks this

    found = Auto(SPACE).fit(CODES, wave(CODES))
    assert found.winner.predictor != "ridge"


@pytest.mark.heavy
def test_options_are_varied_for_as_long_as_it_may(monkeypatch):
    monkeypatch.setattr(auto, "CANDIDATES", ("gp", "trees", "ridge"))
    start = time.monotonic()
    found = Auto(SPACE, seconds=1.0).fit(CODES, SCORES)
    assert len(found.trials) > 3
    assert time.monotonic() - start < 60
    assert {trial.predictor for trial in found.trials[3:]} <= {"gp", "trees"}
    for trial in found.trials:
        options = auto._class(trial.predictor).regressor.options
        assert all(options[key].low <= value <= options[key].high for key, value in trial.options.items())
    assert found.winner.merit == max(trial.merit for trial in found.trials)


@pytest.mark.parametrize("seconds", [-1.0, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(SettingsError, match="zero or more"):
        Auto(SPACE, seconds=seconds)


def test_an_unknown_option_is_refused():
    with pytest.raises(SettingsError, match="no option 'lenght'"):
        auto._class("gp")(SPACE, lenght=3.0)
