from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.latency_lut.test_table import make_table
from vitnas.errors import DataError, SearchError
from vitnas.nas.fit_predictor import PREDICTOR_FILE, PredictorFit
from vitnas.nas.run_search import SearchRequest, start_search
from vitnas.nas.scores.predicted import PredictedScore
from vitnas.nas.settings import SearchSettings
from vitnas.predictors.metrics import compare, hold_out
from vitnas.predictors.ridge import Ridge
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predictor")
    codes = SPACE.genome.sample(40, np.random.default_rng(0))
    archs = SPACE.decode(codes)
    losses = np.array([0.1 + 1 / (arch["depth"] + arch["width"] / 40) for arch in archs])
    told = hold_out(lambda: Ridge(SPACE), codes, losses, 5)
    Ridge(SPACE).fit(codes, losses).save(folder / PREDICTOR_FILE)
    PredictorFit(
        SPACE.name, {"supernet": "step-00000007"}, "loss", "ridge", {}, compare(told, losses, np.arange(40)),
        [arch.id for arch in archs], losses.tolist(), told.mean.tolist(), told.std.tolist(),
    ).save(folder)  # fmt: skip
    return folder


def test_it_gives_what_the_predictor_predicts(folder: Path) -> None:
    archs = SPACE.sample(10, np.random.default_rng(1))
    expected = Ridge.load(folder / PREDICTOR_FILE, SPACE).predict(archs)
    for place in (folder, folder / PREDICTOR_FILE):
        score = PredictedScore.read(place, SPACE)
        found = [score(arch) for arch in archs]
        np.testing.assert_allclose([one["loss"] for one in found], expected.mean, rtol=1e-6)
        np.testing.assert_allclose([one["loss_std"] for one in found], expected.std, rtol=1e-6)


def test_its_quantity_is_the_only_score_of_the_search(folder: Path, tmp_path: Path) -> None:
    make_table(SPACE).write(tmp_path / "cpu.parquet")
    request = SearchRequest(
        ("cpu",), space=SPACE, tables=(tmp_path / "cpu.parquet",), folder=tmp_path / "found", fitted=folder
    )
    with pytest.raises(SearchError, match="unknown objective 'accuracy'"):
        start_search(request, SearchSettings(), progress=False)
    told: list[str] = []
    settings = SearchSettings(objectives=("loss", "latency_ms"), evaluations=60, initial=20)
    front = start_search(request, settings, told.append, progress=False).front
    assert "nothing is evaluated: loss is predicted by ridge from 40 archs of supernet step-00000007" in told
    assert {point.provenance["loss"] for point in front.points} == {"predicted"}
    expected = Ridge.load(folder / PREDICTOR_FILE, SPACE).predict([point.arch for point in front.points]).mean
    np.testing.assert_allclose([point.objectives["loss"] for point in front.points], expected, rtol=1e-6)


def test_a_predictor_of_another_space_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match="fitted on space 'autoformer-mini'"):
        PredictedScore.read(folder, load_space("autoformer-tiny"))
