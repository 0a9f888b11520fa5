"""The run folder: what it records, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vitnas.errors import CheckpointError, SettingsError, SpaceError, UnknownNameError
from vitnas.run import RunFolder, environment
from vitnas.search_spaces import Task, load_space


def test_a_run_knows_its_space_again(tmp_path: Path) -> None:
    space = load_space("autoformer-mini", Task(16, 7, 3)).restrict(depth=(3, 4), mlp_ratio=(2.0,))
    run = RunFolder.create(tmp_path / "run", space, {"train": {"steps": 5, "note": None, "lr": 0.1}})
    again = RunFolder.open(tmp_path / "run")
    assert again.space.fingerprint == space.fingerprint
    assert again.config["train"] == {"steps": 5, "lr": 0.1}
    assert run == again


def test_later_commands_add_their_tables(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", load_space("autoformer-mini"), {"train": {"steps": 5}})
    run.save_config({"search": {"deep": {"limit": None, "n": 3}}})
    run.save_config({"search": {"n": 4}})
    assert run.config["search"] == {"n": 4}
    assert run.config["train"] == {"steps": 5}
    assert run.space.name == "autoformer-mini"


def test_a_run_is_not_overwritten(tmp_path: Path) -> None:
    RunFolder.create(tmp_path / "run", load_space("autoformer-mini"), {})
    with pytest.raises(CheckpointError, match="already holds a run; resume it with --resume"):
        RunFolder.create(tmp_path / "run", load_space("autoformer-mini"), {})


def test_a_run_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot make the run folder .*choose another with --out"):
        RunFolder.create(tmp_path / "file" / "run", load_space("autoformer-mini"), {})


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is no run folder: it has no config.toml; make one with"):
        RunFolder.open(tmp_path)


@pytest.mark.parametrize(
    ("config", "error", "message"),
    [
        ("", CheckpointError, r"table \[space\] has no key 'name'"),
        ("[space]\nname = 'autoformer-mni'\n", UnknownNameError, "Did you mean 'autoformer-mini'"),
        ("[space]\nname = 'deit'\nimage_siz = 3\n", SettingsError, "unknown key 'image_siz'.*mean 'image_size'"),
        ("[space]\nname = 'deit'\nonly = {dept = [1]}\n", SpaceError, "no gene 'dept'"),
        ("space = 3\n", SettingsError, r"config.toml, \[space\]: Expected `object`, got `int`"),
        ("[space]\nname = 3\n", SettingsError, r"\[space\]: Expected `str`, got `int` - at `\$.name`"),
        ("[space]\nname = 'deit'\nonly = 4\n", SettingsError, r"Expected `object`, got `int` - at `\$.only`"),
        ("[space]\nname = 'deit'\nonly = {depth = 4}\n", SettingsError, "Expected `array`, got `int`"),
        ("[space]\nname = 'deit'\nfile = 4\n", SettingsError, "Expected `str`"),
        (
            "[space]\nname = 'deit'\nimage_size = 0\n",
            SettingsError,
            r"\[space\]: image_size must be one whole number of at least 1",
        ),
    ],
)
def test_a_config_changed_by_hand_is_checked(tmp_path: Path, config: str, error: type[Exception], message: str) -> None:
    (tmp_path / "config.toml").write_text(config)
    with pytest.raises(error, match=message):
        RunFolder.open(tmp_path).space.columns  # noqa: B018


def test_the_environment_names_versions_and_nobody(tmp_path: Path) -> None:
    text = json.dumps(environment())
    assert environment()["packages"]["torch"]
    assert str(Path.home()) not in text
    assert str(tmp_path) not in text
