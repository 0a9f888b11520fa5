"""MLflow with a store of its own in a file, read back by its client."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loggers.test_runs import started
from vitnas.errors import LoggerError
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.supernets.training.processes.ray import train_on_ray

mlflow: Any = pytest.importorskip("mlflow", reason="MLflow is not installed; `pip install 'vitnas[mlflow]'` adds it")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty one, which takes seconds to make."""
    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(file.parent)  # where files of runs will lie
        mlflow.MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
        yield file


@pytest.fixture
def client(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    for name in ("mlflow.db", "other.db"):
        shutil.copy(store, tmp_path / name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return mlflow.MlflowClient()


def curve(client: Any, number: str, name: str) -> list[tuple[int, float]]:
    return [(one.step, one.value) for one in client.get_metric_history(number, name)]


def test_settings_numbers_and_files_are_read_back(client: Any, begun: LoggedRun):
    (begun.folder / "front.json").write_text("{}")
    with Loggers(["mlflow"], begun) as loggers:
        loggers.numbers(2, {"loss": 1.5, "best": {"latency_ms@cpu": 4}})
        loggers.numbers(4, {"loss": 1.25})
        loggers.artefact(begun.folder / "front.json")
        loggers.artefact(begun.folder)
    (run,) = client.search_runs(["0"])
    assert (run.info.run_name, run.info.status) == ("small", "FINISHED")
    assert run.data.params == {"train.steps": "6", "train.sampler": "multi"}
    assert curve(client, run.info.run_id, "loss") == [(2, 1.5), (4, 1.25)]
    assert curve(client, run.info.run_id, "best/latency_ms/cpu") == [(2, 4.0)]
    assert sorted(file.path for file in client.list_artifacts(run.info.run_id)) == ["front.json", "run"]
    assert loggers.places == [f"numbers go to MLflow run {run.info.run_id} at {mlflow.get_tracking_uri()}"]


def test_a_run_that_goes_on_is_the_same_and_no_step_stands_twice(client: Any, begun: LoggedRun):
    ids = begun.folder / "loggers.json"
    before = Loggers(["mlflow"], begun, ids)
    for step in (2, 4, 6):
        before.numbers(step, {"loss": step / 10})
    before.close(finished=False)
    (run,) = client.search_runs(["0"])
    assert run.info.status == "KILLED"
    with Loggers(["mlflow"], replace(begun, step=3), ids) as after:
        assert client.get_run(run.info.run_id).info.status == "RUNNING"
        after.numbers(4, {"loss": 0.4})
        after.numbers(6, {"loss": 0.6, "largest": {"accuracy": 0.5}})  # it was killed before the second was told
        after.numbers(8, {"loss": 0.8})
    assert [one.info.run_id for one in client.search_runs(["0"])] == [run.info.run_id]
    assert curve(client, run.info.run_id, "loss") == [(2, 0.2), (4, 0.4), (6, 0.6), (8, 0.8)]
    assert curve(client, run.info.run_id, "largest/accuracy") == [(6, 0.5)]


def test_another_server_gets_a_new_run(client: Any, begun: LoggedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ids = begun.folder / "loggers.json"
    Loggers(["mlflow"], begun, ids).close(finished=True)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    Loggers(["mlflow"], begun, ids).close(finished=True)
    (there,), (here,) = client.search_runs(["0"]), mlflow.MlflowClient().search_runs(["0"])
    assert there.info.run_id != here.info.run_id


def test_the_experiment_is_the_one_of_the_environment(client: Any, begun: LoggedRun, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "phones")
    for _ in range(2):
        Loggers(["mlflow"], begun).close(finished=True)
    found = client.get_experiment_by_name("phones")
    assert len(client.search_runs([found.experiment_id])) == 2
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", found.experiment_id)
    Loggers(["mlflow"], begun).close(finished=True)
    assert len(client.search_runs([found.experiment_id])) == 3


def test_a_run_of_a_notebook_stays_active(client: Any, begun: LoggedRun):
    with mlflow.start_run() as theirs:
        with Loggers(["mlflow"], begun) as loggers:
            loggers.numbers(1, {"loss": 1.0})
        assert mlflow.active_run().info.run_id == theirs.info.run_id
    assert curve(client, theirs.info.run_id, "loss") == []


def test_many_and_long_settings_are_taken(client: Any, begun: LoggedRun):
    many = {f"train.x{i}": "long" * 4000 for i in range(250)}
    Loggers(["mlflow"], replace(begun, parameters=many)).close(finished=True)
    (run,) = client.search_runs(["0"])
    assert run.data.params.keys() == many.keys()


def test_a_server_that_is_not_there_is_told_before_any_work(
    client: Any, begun: LoggedRun, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with pytest.raises(
        LoggerError, match=r"logger 'mlflow' cannot be opened: .*127\.0\.0\.1.*docs/logging\.md"
    ) as told:
        Loggers(["mlflow"], begun)
    assert "secret" not in str(told.value)


@pytest.mark.ray
@pytest.mark.slow  # a start of two workers
@pytest.mark.timeout(900)
def test_processes_that_train_together_are_one_run_where_the_command_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    train_on_ray(started(Path("small"), "mlflow", threads=2), 2)
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs(["0"])
    assert curve(client, run.info.run_id, "epoch") == [(step, 0.0) for step in range(1, 7)]


def test_a_store_that_breaks_midway_stops_nothing(client: Any, begun: LoggedRun, tmp_path: Path):
    loggers = Loggers(["mlflow", "lines"], begun)
    loggers.numbers(1, {"loss": 1.0})
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.warns(UserWarning, match="logger 'mlflow' fails and is left out"):
        loggers.numbers(2, {"loss": 1.0})
    with warnings.catch_warnings(action="error"):
        loggers.numbers(3, {"loss": 1.0})
        loggers.close(finished=True)
    assert (begun.folder / "lines.jsonl").read_text().count('"step"') == 3
