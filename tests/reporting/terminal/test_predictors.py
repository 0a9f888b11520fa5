from __future__ import annotations

import json

import numpy as np
import pytest

from vitnas.cli import main
from vitnas.nas.fit_predictor import PREDICTOR_FILE, PredictorFit
from vitnas.predictors.metrics import compare
from vitnas.predictors.regressor import Prediction
from vitnas.predictors.ridge import Ridge
from vitnas.reporting.terminal.predictors import describe_fit, plot_fit, print_fit
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
RNG = np.random.default_rng(0)
CODES = np.unique(SPACE.genome.sample(40, RNG), axis=0)
SCORES = 0.5 + 0.01 * np.maximum(CODES, 0).sum(axis=1)


def made(noise, num_params):
    held_out = Prediction(SCORES + noise * RNG.normal(size=len(SCORES)), np.full(len(SCORES), noise))
    report = compare(held_out, SCORES, num_params)
    winner = {"predictor": "gp", "options": {"length": 2.0}, "kendall": 0.9, "mae": 0.01, "tried": 5}
    archs = [arch.id for arch in SPACE.decode(CODES)]
    figures = (SCORES.tolist(), held_out.mean.tolist(), held_out.std.tolist())
    return PredictorFit(SPACE.name, {"supernet": "step-1"}, "accuracy", "auto", winner, report, archs, *figures)


@pytest.fixture
def run(tmp_path):
    run = RunFolder.create(tmp_path / "run", SPACE, {})
    made(0.001, RNG.normal(size=len(SCORES))).save(run.path / "predictor")
    Ridge(SPACE).fit(CODES, SCORES).save(run.path / "predictor" / PREDICTOR_FILE)
    return run


@pytest.fixture
def vitnas(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr("sys.argv", ["vitnas", "predictor", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call


def test_a_predictor_no_better_than_size_is_told_loudly(capsys):
    print_fit(describe_fit(made(0.1, SCORES)))
    assert "NO BETTER THAN THE NUMBER OF PARAMETERS" in capsys.readouterr().out
    print_fit(describe_fit(made(0.001, RNG.normal(size=len(SCORES)))))
    out = capsys.readouterr().out
    assert "NO BETTER" not in out
    assert "auto (gp of 5 tried)" in out


def test_report_reads_back_and_draws(vitnas, run, tmp_path):
    code, out, err = vitnas("report", "--run", run.path, "--picture", tmp_path / "p.png", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["report"]["num_archs"] == len(CODES)
    assert found["warning"] is None
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    code, out, _ = vitnas("report", "--run", run.path)
    assert code == 0
    assert "Kendall tau" in out


def test_report_refuses_what_could_not_be_used(vitnas, run, tmp_path):
    deit = load_space("deit")
    codes = deit.genome.sample(9, RNG)
    Ridge(deit).fit(np.unique(codes, axis=0), np.arange(float(len(np.unique(codes, axis=0))))).save(
        run.path / "predictor" / PREDICTOR_FILE
    )
    code, _, err = vitnas("report", "--run", run.path)
    assert code == 2
    assert "was fitted on space 'deit'" in err
    code, _, err = vitnas("report", "--run", run.path, "--out", tmp_path / "nothing")
    assert code == 2
    assert "vitnas predictor fit" in err


def test_the_picture_shows_every_arch_with_its_interval(tmp_path):
    plot_fit(made(0.01, SCORES), tmp_path / "p.svg")
    text = (tmp_path / "p.svg").read_text()
    assert "Kendall" in text
    assert "Evaluated accuracy" in text
