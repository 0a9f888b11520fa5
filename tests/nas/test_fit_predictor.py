from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from vitnas.cli import main
from vitnas.errors import DataError, SearchError, SettingsError, UnknownNameError
from vitnas.nas.execution.executor import SerialExecutor
from vitnas.nas.fit_predictor import (
    PREDICTOR_FILE,
    REPORT_FILE,
    PredictorFit,
    evaluate_archs,
    fit_predictor,
    spread_over_macs,
)
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.nas.settings import FitSettings
from vitnas.predictors import load_predictor
from vitnas.predictors.metrics import compare, hold_out
from vitnas.predictors.ridge import Ridge
from vitnas.search_spaces import load_space
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.weights.checkpoints import load_supernet

SPACE = load_space("autoformer-mini")


class Counting:
    def __init__(self, limit=None):
        self.calls = []
        self.limit = limit

    def __call__(self, arch):
        if len(self.calls) == self.limit:
            raise KeyboardInterrupt
        self.calls.append(arch)
        return {"accuracy": len(arch.id) + float(int(arch.id, 16) % 97) / 97}


def test_archs_reach_from_least_to_most_in_even_steps():
    codes = spread_over_macs(SPACE, 40, seed=0)
    assert len(np.unique(codes, axis=0)) == 40
    macs = np.sort(PopulationCounter(SPACE)(codes).macs)
    ends = PopulationCounter(SPACE)(SPACE.encode([SPACE.smallest(), SPACE.largest()])).macs
    assert (macs[0], macs[-1]) == tuple(ends)
    assert np.diff(macs).max() < 4 * np.ptp(macs) / 40
    np.testing.assert_array_equal(spread_over_macs(SPACE, 40, seed=0), codes)


def test_a_kill_loses_only_what_was_in_work_and_more_samples_only_add(tmp_path):
    codes = spread_over_macs(SPACE, 12, seed=0)
    origin = {"supernet": "step-00000006"}

    def call(score, codes=codes, origin=origin):
        return evaluate_archs(
            SPACE, codes, score, "accuracy", tmp_path / "new", SerialExecutor(), origin, progress=False
        )

    killed = Counting(limit=5)
    with pytest.raises(KeyboardInterrupt):
        call(killed)
    rest = Counting()
    good, scores = call(rest)
    assert len(killed.calls) == 5
    assert len(rest.calls) == 7
    np.testing.assert_array_equal(good, codes)
    assert scores.tolist() == [Counting()(arch)["accuracy"] for arch in SPACE.decode(codes)]
    more = Counting()
    call(more, np.unique(np.concatenate([codes, spread_over_macs(SPACE, 14, seed=1)]), axis=0))
    assert not set(more.calls) & {*killed.calls, *rest.calls}
    with pytest.raises(SearchError, match="step-00000006"):
        call(Counting(), origin={"supernet": "step-00000999"})


@pytest.mark.heavy
def test_one_call_evaluates_learns_reports_and_keeps(trained):
    folder = trained.path / "predictor"
    fit = fit_predictor(trained, FitSettings(samples=10, predictor="ridge", quantity="loss"), progress=False)
    assert {p.name for p in folder.iterdir()} == {".lock", "study.db", PREDICTOR_FILE, REPORT_FILE}
    assert PredictorFit.load(folder) == fit
    assert fit.origin == {"supernet": "step-00000006"}
    space = trained.space
    codes = spread_over_macs(space, 10, seed=0)
    archs = space.decode(codes)
    assert fit.archs == [arch.id for arch in archs]
    supernet, dataset = load_supernet(trained), dataset_of(trained)
    assert fit.scores[3] == pytest.approx(evaluate_arch(supernet, archs[3], dataset).loss, rel=1e-5)
    scores = np.array(fit.scores)
    held_out = hold_out(lambda: Ridge(space), codes, scores)
    np.testing.assert_allclose(held_out.mean, fit.predicted)
    assert fit.report == compare(held_out, scores, PopulationCounter(space)(codes).num_params)
    kept = load_predictor(folder / PREDICTOR_FILE, space)
    np.testing.assert_allclose(kept.predict(codes).mean, Ridge(space).fit(codes, scores).predict(codes).mean)


def test_what_cannot_be_fitted_is_refused_before_any_work(trained):
    with pytest.raises(SettingsError, match="at least 6 archs"):
        fit_predictor(trained, FitSettings(samples=5))
    with pytest.raises(UnknownNameError, match="Did you mean 'ridge'"):
        fit_predictor(trained, FitSettings(predictor="rigde"))
    with pytest.raises(SettingsError, match="leave it out"):
        fit_predictor(trained, FitSettings(predictor="ridge", tune_seconds=5))


def test_a_report_that_is_missing_or_damaged_is_refused(tmp_path, trained):
    with pytest.raises(DataError, match="vitnas predictor fit"):
        PredictorFit.load(tmp_path)
    fit = fit_predictor(trained, FitSettings(samples=10, predictor="ridge", quantity="loss"), progress=False)
    replace(fit, std=fit.std[:-1]).save(tmp_path)
    with pytest.raises(DataError, match="damaged"):
        PredictorFit.load(tmp_path)
    replace(fit, predicted=[float("nan")] * len(fit.predicted)).save(tmp_path)
    with pytest.raises(DataError, match="not all of its scores are numbers"):
        PredictorFit.load(tmp_path)
    (tmp_path / REPORT_FILE).write_text(json.dumps({"space": 3}))
    with pytest.raises(SettingsError, match=REPORT_FILE):
        PredictorFit.load(tmp_path)


@pytest.mark.heavy
def test_the_command_writes_a_picture_and_goes_on_from_what_is_known(trained, monkeypatch, capsys, tmp_path):
    words = ["--run", trained.path, "--samples", 10, "--predictor", "ridge", "--quantity", "loss", "--json"]

    def call(*more):
        monkeypatch.setattr("sys.argv", ["vitnas", "predictor", "fit", *map(str, [*words, *more])])
        with suppress(SystemExit):
            main()
        return json.loads(capsys.readouterr().out)

    first = call("--out", tmp_path / "p")
    assert (tmp_path / "p" / "held-out.png").read_bytes().startswith(b"\x89PNG")
    assert first["report"]["num_archs"] == 10
    monkeypatch.setattr(SupernetScore, "__call__", None)  # nothing is evaluated twice
    assert call("--out", tmp_path / "p") == first


@pytest.mark.ray
@pytest.mark.slow
def test_workers_find_the_same(trained, tmp_path):
    serial = fit_predictor(
        trained, FitSettings(samples=8, predictor="ridge", quantity="loss"), folder=tmp_path / "1", progress=False
    )
    parallel = fit_predictor(
        trained,
        FitSettings(samples=8, predictor="ridge", quantity="loss", workers=2),
        folder=tmp_path / "2",
        progress=False,
    )
    assert parallel == serial
