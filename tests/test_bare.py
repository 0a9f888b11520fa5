"""Without torch and Ray: a search from a table and a fitted predictor runs, and what needs them names the remedy."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.bare import ROOT, make_bare_environment
from tests.latency_lut.test_table import make_table
from vitnas.nas.fit_predictor import PREDICTOR_FILE, PredictorFit
from vitnas.nas.pareto.front import ParetoFront
from vitnas.predictors import load_predictor
from vitnas.predictors.metrics import compare, hold_out
from vitnas.predictors.ridge import Ridge
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
LACKING = (
    "torch",
    "ray",
    "coremltools",
    "onnx",
    "onnxruntime",
    "sklearn",
    "pandas",
    "lightgbm",
    "tensorboard",
    "mlflow",
    "wandb",
)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bare_environment(tmp_path_factory.mktemp("bare") / "venv")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A latency table and a predictor, as brought along from the machine that trained and profiled."""
    folder = tmp_path_factory.mktemp("files")
    make_table(SPACE).write(folder / "cpu.parquet")
    codes = SPACE.genome.sample(60, np.random.default_rng(0))
    archs = SPACE.decode(codes)
    scores = np.array([1 - 0.6 / (arch["depth"] + arch["width"] / 40 + sum(arch["heads"]) / 10) for arch in archs])
    told = hold_out(lambda: Ridge(SPACE), codes, scores, 5)
    report = compare(told, scores, np.arange(len(scores)))
    Ridge(SPACE).fit(codes, scores).save(folder / PREDICTOR_FILE)
    fit = PredictorFit(
        SPACE.name, {"supernet": "step-00000010"}, "accuracy", "ridge", {}, report,
        [arch.id for arch in archs], scores.tolist(), told.mean.tolist(), told.std.tolist(),
    )  # fmt: skip
    fit.save(folder)
    return folder


def _vitnas(python: Path, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"MPLCONFIGDIR": str(folder)}
    return subprocess.run(
        [python, "-m", "vitnas", *map(str, words)],
        cwd=folder, env=surroundings, capture_output=True, text=True, timeout=200,
    )  # fmt: skip


def test_the_environment_is_bare(python: Path) -> None:
    program = f"import importlib.util as u, vitnas; print(vitnas.__file__, *(n for n in {LACKING} if u.find_spec(n)))"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True, timeout=60, cwd="/")
    assert done.stdout.split() == [str(ROOT / "vitnas" / "__init__.py")]


def test_a_search_from_a_table_and_a_fitted_predictor(python: Path, files: Path, tmp_path: Path) -> None:
    done = _vitnas(
        python, tmp_path, "search", "--space", SPACE.name, "--table", files / "cpu.parquet", "--fitted", files,
        "--evaluations", 300, "--params", "3M", "--out", "found",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "predicted by ridge from 60 archs of supernet step-00000010" in done.stderr
    front = ParetoFront.load(tmp_path / "found" / "front.json", SPACE)
    assert len(front.points) >= 5
    assert {kind for point in front.points for kind in point.provenance.values()} == {"predicted", "table"}
    # Against both files, read here: the figures are theirs, and the front ends at the best of a large sample.
    codes = SPACE.encode([point.arch for point in front.points])
    predictor = load_predictor(files / PREDICTOR_FILE, SPACE)
    found = np.array([point.objectives["accuracy"] for point in front.points])
    np.testing.assert_allclose(found, predictor.predict(codes).mean, rtol=1e-6)
    latency = make_table(SPACE).latency_ms(SPACE)
    np.testing.assert_allclose([p.objectives["latency_ms"] for p in front.points], latency(codes), rtol=1e-6)
    params = make_table(SPACE).counts(SPACE)["num_params"]
    assert (params(codes) <= 3e6).all()
    others = SPACE.genome.sample(300, np.random.default_rng(1))
    others = others[params(others) <= 3e6]
    assert found.max() >= predictor.predict(others).mean.max()


@pytest.mark.parametrize(
    ("words", "package"),
    [
        (["train-supernet", "--space", SPACE.name, "--data", "digits", "--out", "run"], "torch"),
        (["count", "--space", SPACE.name, "--smallest"], "torch"),
        (["search", "--space", SPACE.name, "--table", "cpu.parquet", "--out", "found"], "torch"),
        (["search", "--space", SPACE.name, "--table", "cpu.parquet", "--fitted", ".", "--workers", "2"], "ray"),
    ],
)
def test_what_needs_more_names_the_package_and_what_installs_it(
    python: Path, files: Path, words: list[str], package: str
) -> None:
    done = _vitnas(python, files, *words)
    assert done.returncode == 2, done.stderr
    assert f"error: this needs the package {package}, which is not installed; `pip install vitnas`" in done.stderr
    assert "Traceback" not in done.stderr


def test_doctor_lists_what_is_missing(python: Path, tmp_path: Path) -> None:
    done = _vitnas(python, tmp_path, "doctor")
    assert done.returncode == 2, done.stderr
    assert "problem: package torch is missing" in done.stdout
    assert "pip install 'vitnas[trees]'" in done.stdout
