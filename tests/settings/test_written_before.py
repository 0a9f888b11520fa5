"""Settings that an earlier version wrote are read to what they meant.

The files were written at commit 9a85343, before settings were declared field by field: `config.toml` and
`config-defaults.toml` by training runs, `vitnas.toml` with a value of each key of each table.
"""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.settings import make_settings, read_settings
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings

FOLDER = Path(__file__).parent / "written_before"
KINDS = {
    "data": DataSettings,
    "train": TrainSettings,
    "profile": ProfileSettings,
    "search": SearchSettings,
    "export": ExportSettings,
}


def plain(value: Any) -> Any:
    """A value as TOML writes it, without what is left out."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if one is not None}
    return [plain(one) for one in value] if isinstance(value, tuple | list) else value


def as_now(written: dict[str, Any]) -> dict[str, Any]:
    """The keys of today for those that were replaced."""
    rest = {key: value for key, value in written.items() if key != "tensorboard"}
    return {**rest, "loggers": []} if written.get("tensorboard") is False else rest


def filled(cls: Any, values: dict[str, Any]) -> dict[str, Any]:
    """What was written, and beside it the defaults of fields that hold None."""
    found = {}
    for field in fields(cls):
        default = field.default if field.default is not MISSING else field.default_factory()  # type: ignore[misc]
        if is_dataclass(default):
            found[field.name] = filled(type(default), values.get(field.name, {}))
        elif field.name in values or plain(default) is not None:
            found[field.name] = values.get(field.name, plain(default))
    return found


@pytest.mark.parametrize("table", KINDS)
def test_a_file_of_every_key_means_what_it_meant(table: str, tmp_path: Path) -> None:
    text = (FOLDER / "vitnas.toml").read_text()
    written = tomllib.loads(text)[table]
    read = read_settings(KINDS[table], FOLDER / "vitnas.toml", table, {})
    assert plain(read) == filled(KINDS[table], as_now(written))
    assert plain(read) != plain(KINDS[table]()), "the file tells no key of this table"


SINCE = {
    "train": {
        "sync_batch_norm": False,
        "init_order": "output_error",
        "loader": "threads",
        "loss": "plain",
        "balance": "none",
    },
    "data": {"decoder": "pillow", "answer": "class", "ignore_index": 255, "fit": "crop"},
}
"""Settings that are newer than the files, with their defaults."""


@pytest.mark.parametrize("file", ["config.toml", "config-defaults.toml"])
def test_a_run_opens_with_its_settings(file: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes((FOLDER / file).read_bytes())
    run = RunFolder.open(tmp_path)
    assert run.space.name == "autoformer-mini"
    for table in ("data", "train"):
        found = plain(make_settings(KINDS[table], run.config[table], file))
        new = SINCE[table]
        assert found == as_now(run.config[table]) | {name: value for name, value in new.items() if name in found}


def test_defaults_are_those_of_the_run_that_took_them() -> None:
    written = tomllib.loads((FOLDER / "config-defaults.toml").read_text())["train"]
    since = {"sampler": "sandwich", "torch_device": "cpu", "evaluate_every": 100}  # of which the default is another now
    assert plain(TrainSettings(threads=written["threads"], **since)) == as_now(written) | SINCE["train"]


def test_a_key_that_was_replaced_may_stand_beside_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "vitnas.toml"
    file.write_text("[train]\ntensorboard = false\n")
    assert read_settings(TrainSettings, file, "train", {}).loggers == ()
    assert read_settings(TrainSettings, file, "train", {"loggers": ["mlflow"]}).loggers == ("mlflow",)
    file.write_text("[train]\ntensorboard = true\n")
    assert read_settings(TrainSettings, file, "train", {}).loggers is None
    file.write_text("[train]\ntensorboard = 1\n")
    with pytest.raises(SettingsError, match="unknown key 'tensorboard'"):
        read_settings(TrainSettings, file, "train", {})
