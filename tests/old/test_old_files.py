"""What the version before left on the disk, as `make.sh` wrote it, serves the present one."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.test_cli import vitnas
from vitnas.deployment.export import ExportSettings
from vitnas.deployment.finetuning import finetuned
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.study import Study, database
from vitnas.predictors.ridge import Ridge
from vitnas.run import RunFolder
from vitnas.settings import make_settings
from vitnas.supernets.data import dataset_of
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.loop import plan_sampler

OLD = Path(__file__).parent / "0.1"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A copy to work on."""
    folder = tmp_path / "run"
    shutil.copytree(OLD, folder)
    for packed in folder.glob("*/study.db.gz"):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    return folder


def answer(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    code, out, err = vitnas(capsys, *words, "--json")
    assert code == 0, err
    return json.loads(out)


def rows(search: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(search / "evaluations.parquet").to_pylist()
    return found


@pytest.mark.heavy
def test_a_search_is_resumed_from_what_was_evaluated(run, capsys):
    """Seconds are those of the evaluations before: nothing is evaluated again."""
    shutil.rmtree(run / "predictor")  # a search would begin with what its fit evaluated
    settings = run / "settings.toml"
    settings.write_text("[search]\ninitial = 6\nbatch = 3\npopulation = 20\ngenerations = 5\npredictor = 'ridge'\n")
    before = rows(run / "search-cpu")
    words = ("search", "--run", run, "--device", "cpu", "--no-measure", "--config", settings)
    found = answer(capsys, *words, "--evaluations", 14)
    after = rows(run / "search-cpu")
    known = {row["arch_id"]: row for row in before}
    recalled = [row for row in after if row["arch_id"] in known]
    assert (len(before), len(after)) == (12, 14)
    assert len(recalled) >= 6
    for row in recalled:
        for name in ("accuracy", "loss", "seconds", "num_params", "macs"):
            assert row[name] == known[row["arch_id"]][name]
    assert found["objectives"] == ["accuracy", "latency_ms"]


def test_a_study_holds_its_evaluations_and_timings(run):
    space = RunFolder.open(run).space
    folder = run / "search-cpu"
    origin = ParetoFront.load(folder / "front.json").config["origin"]
    objectives = [Objective.named(name) for name in ("accuracy", "latency_ms")]
    study = Study(space, objectives, database(folder), "search-cpu", origin)
    assert [one.arch.id for one in study] == [row["arch_id"] for row in rows(folder)]
    front = ParetoFront.load(folder / "front.json", space)
    timed = study.timings("cpu")
    assert {point.arch for point in front.points} <= timed.keys()
    assert all(timing.median_ms > 0 for timing in timed.values())


def test_fronts_are_read_with_their_errors_and_origins(run):
    space = RunFolder.open(run).space
    several = ParetoFront.load(run / "search-cpu+iphone12" / "front.json", space)
    assert [o.name for o in several.objectives] == ["accuracy", "latency_ms@cpu", "latency_ms@iphone12"]
    point = several.points[0]
    assert point.provenance == {
        "accuracy": "measured",
        "latency_ms@cpu": "table",
        "latency_ms@iphone12": "estimated",
    }
    assert point.errors.keys() == set(point.objectives)
    alone = ParetoFront.load(run / "search-cpu+iphone12" / "front-iphone12.json", space)
    assert [o.name for o in alone.objectives] == ["accuracy", "latency_ms"]
    assert alone.config["origin"]["device"] == "iphone12"
    one = ParetoFront.load(run / "search-cpu" / "front.json", space)
    assert len(one.points) == 5
    assert len(one.groups()) == 3
    assert one.pick("knee").arch.id == "58b7b0dd53c9"
    assert one.best().arch.id == "7b0b4575a402"


def test_saving_a_front_writes_the_same_file(run, tmp_path):
    for file in run.glob("*/front*.json"):
        ParetoFront.load(file).save(tmp_path / "again.json")
        assert (tmp_path / "again.json").read_bytes() == file.read_bytes()


def test_tables_are_looked_up(run):
    """The latency of an evaluated arch that was not measured is the one that the search wrote down."""
    space = RunFolder.open(run).space
    found = rows(run / "search-cpu+iphone12")
    by_id = {arch.id: arch for arch in space.decode(space.genome.enumerate())}
    codes = space.encode([by_id[row["arch_id"]] for row in found])
    for device in ("cpu", "iphone12"):
        table = LatencyTable.read(run / "latency" / f"{device}.parquet")
        np.testing.assert_allclose(
            table.latency_ms(space)(codes), [row[f"latency_ms@{device}"] for row in found], rtol=1e-12
        )


def test_a_subnet_is_evaluated_as_it_was(run, capsys):
    found = answer(capsys, "evaluate", "--run", run, "--front", run / "search-cpu" / "front.json")
    points = ParetoFront.load(run / "search-cpu" / "front.json").points
    assert [one["id"] for one in found] == [point.arch.id for point in points]
    told = [point.objectives["accuracy"] for point in points]
    assert [one["accuracy"] for one in found] == pytest.approx(told, abs=2 / 324)  # other processors round otherwise


@pytest.mark.heavy
def test_results_are_compared_and_drawn(run, capsys):
    found = answer(capsys, "compare", run / "search-cpu", run / "search-cpu+iphone12" / "front-cpu.json")
    assert len(json.dumps(found)) > 100
    for what in ("genes", "front", "hypervolume"):
        code, _, err = vitnas(capsys, "plot", run / "search-cpu", "--what", what, "--out", run / "picture.svg")
        assert code == 0, err
    code, _, err = vitnas(capsys, "report", run, "--out", run / "report.html")
    assert code == 0, err
    assert "58b7b0dd53c9" in (run / "report.html").read_text()


def test_a_fitted_predictor_is_reported_and_predicts(run, capsys):
    report = answer(capsys, "predictor", "report", "--run", run)
    assert report["predictor"] == "ridge"
    space = RunFolder.open(run).space
    scores = {row["arch_id"]: row["accuracy"] for row in rows(run / "search-cpu")}
    archs = [arch for arch in space.decode(space.genome.enumerate()) if arch.id in scores]
    told = Ridge.load(run / "predictor" / "predictor.safetensors", space).predict(space.encode(archs))
    np.testing.assert_allclose(told.mean, [scores[arch.id] for arch in archs], atol=0.05)


def test_an_export_is_verified_and_made_again(run, capsys):
    code, _, err = vitnas(capsys, "verify", run / "export", "--no-measure")
    assert code == 0, err
    old = (run / "export" / "arch.json").read_bytes()
    words = ("--front", run / "search-cpu" / "front.json", "--pick", 0, "--no-measure", "--format", "onnx")
    code, _, err = vitnas(capsys, "export", "--run", run, *words, "--out", run / "anew")
    assert code == 0, err
    assert (run / "anew" / "arch.json").read_bytes() == old


def test_label_steps_hold_where_the_settings_have_them(run, capsys):
    config = run / "config.toml"
    text = config.read_text().replace("\nsteps = 40\n", "\nsteps = 44\n")
    config.write_text(text.replace("[train.sampler_options]\n", "[train.sampler_options]\nlabel_steps = 42\n"))
    opened = RunFolder.open(run)
    settings = make_settings(TrainSettings, opened.config["train"], "[train]")
    sampler = plan_sampler(settings, dataset_of(opened), opened.space)
    taught = [any(lesson.teachers for lesson in sampler.plan(step)) for step in range(40, 44)]
    assert taught == [False, False, True, True]
    code, _, err = vitnas(capsys, "train-supernet", "--resume", run)
    assert code == 0, err
    assert finetuned(opened, opened.space.smallest(), ExportSettings(finetune=1)) is not None


def test_training_goes_on(run, capsys):
    config = run / "config.toml"
    config.write_text(config.read_text().replace("\nsteps = 40\n", "\nsteps = 44\n"))
    code, _, err = vitnas(capsys, "train-supernet", "--resume", run)
    assert code == 0, err
    assert (run / "checkpoints" / "step-00000044").is_dir()
