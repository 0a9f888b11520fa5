"""What trainings, searches, fits, profiles and exports tell their loggers."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loggers.lines import told
from tests.nas.problem import TINY, Score, posed
from vitnas.api.profiling import profile
from vitnas.deployment.export import ExportSettings, export
from vitnas.errors import DataError, ExportError, MissingPackageError, SearchError
from vitnas.extras import installed
from vitnas.files import read_lines
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.nas.fit_predictor import fit_predictor
from vitnas.nas.search import search
from vitnas.nas.settings import FitSettings, SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.data import load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import checkpoint_folders

SPACE = load_space("autoformer-mini").restrict(width=(48,), depth=(3,), mlp_ratio=(2.0, 3.0))


def started(path: Path, *loggers: str, **given: Any) -> RunFolder:
    settings = TrainSettings(
        **{"steps": 6, "batch_size": 16, "threads": 1, "log_every": 1, "evaluate_every": 3, "loggers": loggers, **given}
    )
    return start_run(path, SPACE, "digits", settings)


def numbers(folder: Path) -> list[tuple[int, frozenset[str]]]:
    return [(line["step"], frozenset(line) - {"step"}) for line in told(folder) if "step" in line]


def test_a_training_tells_what_its_metrics_tell(tmp_path: Path) -> None:
    run = started(tmp_path / "small", "lines")
    train(run, progress=False)
    first, *lines, last = told(run.path)
    assert (first["opened"], last) == ("train-small", {"finished": True})
    assert first["parameters"]["train.batch_size"] == 16
    assert first["parameters"]["space.name"] == "autoformer-mini"
    metrics = read_lines(run.metrics_file)
    assert [line["step"] for line in lines] == [line["step"] for line in metrics] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert [line["loss"] for line in lines if "loss" in line] == [line["loss"] for line in metrics if "loss" in line]
    assert lines[-1]["largest/accuracy"] == metrics[-1]["largest"]["accuracy"]


def test_a_training_that_goes_on_is_the_same_run_and_says_from_where(tmp_path: Path) -> None:
    run = started(tmp_path / "small", "lines", checkpoint_every=2)
    train(run, progress=False, until=3)
    assert told(run.path)[-1] == {"finished": False}
    shutil.rmtree(checkpoint_folders(run)[-1])  # as if it had been killed before
    train(run, progress=False)
    again = [line for line in told(run.path) if "opened" in line][-1]
    assert (again["opened"], again["again"], again["after"]) == ("train-small", True, 2)
    assert told(run.path)[-1] == {"finished": True}


def test_a_logger_that_fails_midway_does_not_stop_the_training(tmp_path: Path) -> None:
    run = started(tmp_path / "small", "failing")
    with pytest.warns(UserWarning, match="logger 'failing' fails and is left out"):
        assert train(run, progress=False)
    assert (run.path / "checkpoints" / "step-00000006").is_dir()
    assert [step for step, _ in numbers(run.path)] == [1, 2]


def test_a_training_goes_on_without_a_logger_that_is_gone(tmp_path: Path) -> None:
    run = started(tmp_path / "small", "lines")
    train(run, progress=False, until=2)
    config = run.config_file.read_text()
    run.config_file.write_text(config.replace('"lines"', '"closed"'))
    with pytest.warns(UserWarning, match="logger 'closed' fails and is left out"):
        assert train(run, progress=False)


@pytest.mark.skipif(installed("mlflow") and installed("wandb"), reason="the packages of all loggers are installed")
def test_a_package_that_is_missing_is_told_before_anything_is_made(tmp_path: Path) -> None:
    name = "wandb" if installed("mlflow") else "mlflow"
    with pytest.raises(MissingPackageError, match=rf"pip install 'vitnas\[{name}\]'"):
        started(tmp_path / "small", name)
    assert not (tmp_path / "small").exists()


QUICK = SearchSettings(evaluations=12, initial=4, batch=4, population=10, generations=3, predictor="none")


def test_a_search_tells_how_it_goes_and_leaves_its_front(tmp_path: Path) -> None:
    settings = replace(QUICK, loggers=("lines",))
    front = search(posed(TINY, settings), Score(TINY), settings, tmp_path / "found", progress=False)
    first, *lines, last = told(tmp_path / "found")
    assert (first["opened"], first["parameters"]["evaluations"], last) == ("search-found", 12, {"finished": True})
    batches = [line for line in lines if "step" in line]
    assert [line["step"] for line in batches] == [4, 8, 12]
    assert [line["best/accuracy"] for line in batches] == sorted(line["best/accuracy"] for line in batches)
    assert batches[-1]["best/accuracy"] == max(point.objectives["accuracy"] for point in front.points)
    assert batches[-1]["best/latency_ms"] == min(point.objectives["latency_ms"] for point in front.points)
    assert batches[-1]["hypervolume"] >= batches[0]["hypervolume"] > 0
    assert [line for line in lines if "artefact" in line] == [
        {"artefact": name, "there": True} for name in ("front.json", "evaluations.parquet")
    ]


def test_loggers_decide_nothing(tmp_path: Path) -> None:
    logged = replace(QUICK, loggers=("lines",))
    search(posed(TINY, QUICK), Score(TINY), QUICK, tmp_path / "a", progress=False)
    search(posed(TINY, logged), Score(TINY), logged, tmp_path / "b", progress=False)
    assert (tmp_path / "a" / "front.json").read_bytes() == (tmp_path / "b" / "front.json").read_bytes()


def test_a_search_that_cannot_end_is_told_as_such(tmp_path: Path) -> None:
    def broken(arch: object) -> dict[str, float]:
        raise ValueError("no")

    settings = replace(QUICK, loggers=("lines",))
    with pytest.raises(SearchError, match="evaluations failed"):
        search(posed(TINY, settings), broken, settings, tmp_path / "found", progress=False)
    assert told(tmp_path / "found")[-1] == {"finished": False}
    assert [line for line in told(tmp_path / "found") if "best/accuracy" in line] == []


@pytest.mark.heavy
def test_a_fit_tells_how_well_it_ranks_and_goes_on_in_the_same_run(tmp_path: Path) -> None:
    run = started(tmp_path / "small", evaluate_every=100)
    train(run, progress=False)
    settings = FitSettings(samples=8, predictor="ridge", loggers=("lines",))
    fit = fit_predictor(run, settings, progress=False)
    folder = run.path / "predictor"
    first, figures, *files, last = told(folder)
    assert (first["opened"], first["parameters"]["samples"], last) == ("fit-small", 8, {"finished": True})
    assert (figures["step"], figures["kendall"], figures["mae"]) == (8, fit.report.kendall, fit.report.mae)
    assert files == [{"artefact": name, "there": True} for name in ("predictor.safetensors", "report.json")]
    fit_predictor(run, replace(settings, samples=9), progress=False)
    assert [line["again"] for line in told(folder) if "opened" in line] == [False, True]


def test_a_profile_tells_the_error_of_its_table_and_leaves_it(tmp_path: Path) -> None:
    settings = ProfileSettings(loggers=("lines",))
    table = profile(SPACE, "iphone12", settings, path=tmp_path / "phone.parquet")
    first, figures, file, last = told(tmp_path / "phone-log")
    assert (first["opened"], first["parameters"]["device"]) == ("profile-phone", "iphone12")
    assert (figures["step"], figures["layers"], figures["networks"]) == (0, len(table.rows), 0)
    assert figures["fidelity/mape"] == table.header.fidelity.mape
    assert (file, last) == ({"artefact": "phone.parquet", "there": True}, {"finished": True})
    other = profile(SPACE, "iphone12", ProfileSettings(), path=tmp_path / "other.parquet")
    assert other.header.settings == table.header.settings
    assert not (tmp_path / "other-log").exists()


@pytest.mark.heavy
def test_an_export_tells_its_figures_and_leaves_its_folder(tmp_path: Path) -> None:
    settings = ExportSettings(formats=("torch",), measure=False, verify_images=32, loggers=("lines",))
    told_steps: list[str] = []
    net, digits = Supernet(SPACE).eval(), load_dataset("digits")
    report = export(
        SPACE, net, SPACE.smallest(), digits, tmp_path / "best", settings,
        latency_ms={"phone": 1.5}, progress=told_steps.append,
    )  # fmt: skip
    first, figures, folder, last = told(tmp_path / "best-log")
    assert first["opened"] == "export-best"
    assert first["parameters"]["arch"] == SPACE.smallest().id
    assert figures["accuracy/val"] == report["accuracy"]["exported"]
    assert figures["accuracy/test"] == report["accuracy"]["test"]["accuracy"]
    assert figures["size_bytes/torch"] == report["formats"]["torch"]["size_bytes"]
    assert figures["predicted_latency_ms/phone"] == 1.5
    assert figures["macs"] == report["counts"]["macs"]
    assert (folder, last) == ({"artefact": "best", "there": True}, {"finished": True})
    assert told_steps[0] == f"numbers go to lines in {tmp_path / 'best-log' / 'lines.jsonl'}"
    assert "best-log" not in [path.name for path in (tmp_path / "best").iterdir()]


def test_an_export_that_fails_is_told_as_such(tmp_path: Path) -> None:
    net, digits = Supernet(SPACE).eval(), load_dataset("digits")
    damaged = net.state_dict()
    for weight in damaged.values():
        weight.fill_(float("nan"))
    settings = ExportSettings(formats=("torch",), measure=False, verify_images=32, loggers=("lines",))
    with pytest.raises((ExportError, DataError)):
        export(SPACE, net, SPACE.smallest(), digits, tmp_path / "best", settings)
    assert told(tmp_path / "best-log")[-1] == {"finished": False}
    assert not (tmp_path / "best").exists()
