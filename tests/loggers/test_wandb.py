"""Weights & Biases offline: what it keeps on the disk until it is sent."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers

wandb: Any = pytest.importorskip(
    "wandb", reason="Weights & Biases is not installed; `pip install 'vitnas[wandb]'` adds it"
)
pytestmark = pytest.mark.heavy  # each starts a service


@pytest.fixture(autouse=True)
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A process reads its variables once: each test has a service of its own."""
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    wandb.teardown()
    yield
    wandb.teardown()


def records(folder: Path) -> Iterator[Any]:
    """What an offline run wrote: a log of LevelDB with a message of protobuf in each record."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.glob("*.wandb")
    data, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
        _, size, part = struct.unpack_from("<IHB", data, at)
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if part in (1, 4):  # whole, or the last of several parts
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record


def history(folder: Path) -> list[dict[str, float]]:
    """The steps, with what was logged at each."""
    found = []
    for record in records(folder):
        if record.WhichOneof("record_type") == "history":
            items = {"/".join(i.nested_key) or i.key: float(i.value_json) for i in record.history.item}
            found.append({name: value for name, value in items.items() if name[0] != "_" or name == "_step"})
    return found


def run_of(folder: Path) -> Any:
    (run,) = [one.run for one in records(folder) if one.WhichOneof("record_type") == "run"]
    return run


def sittings(tmp_path: Path) -> list[Path]:
    """The folders of offline runs, once the service has ended: it writes behind those who tell it."""
    wandb.teardown()
    return list((tmp_path / "wandb").glob("offline-run-*"))


def test_settings_numbers_and_files_are_written(tmp_path: Path, begun: LoggedRun):
    (begun.folder / "front.json").write_text("{}")
    with Loggers(["wandb"], begun) as loggers:
        loggers.numbers(2, {"loss": 1.5})
        loggers.numbers(2, {"largest": {"accuracy": 0.5}})
        loggers.numbers(4, {"loss": 1.25})
        loggers.artefact(begun.folder / "front.json")
    (folder,) = sittings(tmp_path)
    assert history(folder) == [{"_step": 2, "loss": 1.5, "largest/accuracy": 0.5}, {"_step": 4, "loss": 1.25}]
    run = run_of(folder)
    assert (run.display_name, run.job_type) == ("small", "train")
    assert {item.key: item.value_json for item in run.config.update if "." in item.key} == {
        "train.steps": "6",
        "train.sampler": '"multi"',
    }
    kept = [one for one in records(folder) if "small-front" in str(one)]
    assert kept, "the front is not among the artefacts"
    assert loggers.places == [f"numbers go to Weights & Biases run {run.run_id} at {folder}"]


def test_a_run_that_goes_on_has_the_same_id(tmp_path: Path, begun: LoggedRun):
    ids = begun.folder / "loggers.json"
    Loggers(["wandb"], begun, ids).close(finished=False)
    with Loggers(["wandb"], replace(begun, step=3), ids) as after:
        after.numbers(4, {"loss": 0.5})
    before, now = sorted(sittings(tmp_path), key=lambda folder: len(history(folder)))
    assert run_of(before).run_id == run_of(now).run_id
    assert (history(before), history(now)) == ([], [{"_step": 4, "loss": 0.5}])
