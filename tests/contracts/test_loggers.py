"""What every registered logger must hold."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vitnas.errors import MissingPackageError
from vitnas.loggers import LOGGERS, LoggedRun, Logger


@pytest.fixture(params=list(LOGGERS))
def kind(request: pytest.FixtureRequest) -> type[Logger]:
    found = LOGGERS.load(request.param)
    try:
        found.check()
    except MissingPackageError as error:
        pytest.skip(str(error))
    return found


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoggedRun:
    """A run at its beginning, and nothing that leaves this machine or folder."""
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(tmp_path),
        "WANDB_SILENT": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return LoggedRun("train", "small run", tmp_path / "run", {"train.steps": 6, "data.name": "photos/"})


@pytest.mark.heavy
def test_it_takes_what_runs_tell_and_goes_on_by_its_id(kind: type[Logger], begun: LoggedRun, tmp_path: Path) -> None:
    (tmp_path / "front.json").write_text("{}")
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "model.onnx").write_bytes(b"1234")
    before = kind(begun)
    assert before.place
    before.numbers(0, {"latency_ms@cpu": 1.5})
    before.numbers(2, {"loss": 1.5, "largest/accuracy": 0.5})
    before.numbers(2, {"smallest/loss": float("inf")})
    before.close(finished=False)
    after = kind(replace(begun, step=1, id=before.id))
    assert after.id == before.id
    after.numbers(2, {"loss": 1.5})
    after.numbers(4, {"loss": 1.25})
    after.artefact(tmp_path / "front.json")
    after.artefact(tmp_path / "export")
    after.close(finished=True)


def test_what_is_told_nothing_leaves_no_files_in_the_run(kind: type[Logger], begun: LoggedRun) -> None:
    """So an export that fails leaves nothing."""
    kind(begun).close(finished=False)
    assert not begun.folder.exists()


def test_it_is_named_without_its_package() -> None:
    assert {"mlflow", "tensorboard", "wandb"} <= set(LOGGERS)
