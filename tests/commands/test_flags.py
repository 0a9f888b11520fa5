"""Every setting is a flag, flags are read as files are, and those of earlier versions still work."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import typer

from vitnas.cli import make_app
from vitnas.commands.with_settings import Flags, Given, with_flags, with_settings
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.nas.settings import SearchSettings
from vitnas.settings import declared
from vitnas.supernets.settings.data import DataSettings
from vitnas.supernets.settings.train import TrainSettings

BEFORE = json.loads((Path(__file__).parent / "flags_before.json").read_text())
"""Command -> its flags at commit 9a85343, when they were typed by hand."""
TABLES = {
    "train-supernet": (DataSettings, TrainSettings),
    "profile": (ProfileSettings,),
    "search": (SearchSettings,),
    "export": (ExportSettings,),
}


def parameters(command: str) -> list[Any]:
    first, _, second = command.partition(" ")
    found: Any = typer.main.get_command(make_app(first)).commands[first]  # type: ignore[attr-defined]
    return list((found.commands[second] if second else found).params)


@pytest.mark.parametrize("command", BEFORE)
def test_flags_of_earlier_versions_are_there(command: str) -> None:
    assert {*BEFORE[command]} <= {flag for one in parameters(command) for flag in (*one.opts, *one.secondary_opts)}


def leaves(cls: type, prefix: str) -> list[str]:
    """The parameter of each setting: its table and its key."""
    found = []
    for name, kind in declared(cls).items():
        path = f"{prefix}_{name}"
        found += leaves(kind.base, path) if dataclasses.is_dataclass(kind.base) else [path]  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("command", TABLES)
def test_every_setting_is_a_flag_with_help(command: str) -> None:
    help_of = {one.name: one.help for one in parameters(command)}
    settings = [path for cls in TABLES[command] for path in leaves(cls, cls.table)]
    assert len(settings) == len(set(settings)) > 10
    by_other_flags = {"search_limits"}  # --latency, --params and others
    assert {path for path in settings if not help_of.get(path)} == by_other_flags & set(settings)


def given(cls: Any, **values: Any) -> Given[Any]:
    flags = Flags(cls)
    return flags.given({flag.variable: None for flag in flags} | values)


def test_values_are_those_that_a_file_would_have() -> None:
    told = given(
        TrainSettings,
        train_epochs=3,
        train_compile=False,
        train_augment_flip=0.5,
        train_resolution_sizes=["160,192", "224"],
        train_sampler_options=["label_share=0", "mix=one", 'distil="alpha"', "shares=[0.5, 0.5]"],
    )
    assert told.values == {
        "epochs": 3,
        "compile": False,
        "augment": {"flip": 0.5},
        "resolution": {"sizes": [160, 192, 224]},
        "sampler_options": {"label_share": 0, "mix": "one", "distil": "alpha", "shares": [0.5, 0.5]},
    }
    assert told.flags == ("--epochs", "--sampler-options", "--augment-flip", "--resolution-sizes", "--compile")
    pairs = given(TrainSettings, train_resolution_progressive="[[0.3, 4], [0.6, 2]]").settings(None)
    assert pairs.resolution.progressive == ((0.3, 4.0), (0.6, 2.0))
    assert given(SearchSettings, search_seconds="10m", search_objectives=["accuracy,macs"]).settings(None) == (
        SearchSettings(seconds=600.0, objectives=("accuracy", "macs"))
    )


def test_flags_win_over_what_is_assumed_and_that_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "vitnas.toml"
    file.write_text("[profile]\nblocks = 3\nblock_ms = 7.0\nseed = 5\n")
    read = given(ProfileSettings, profile_blocks=4).settings(file, {"blocks": 9, "block_ms": 8.0})
    assert (read.blocks, read.block_ms, read.seed, read.group) == (4, 8.0, 5, 6)


def test_a_flag_of_an_inner_table_leaves_the_rest_of_it_to_the_file(tmp_path: Path) -> None:
    file = tmp_path / "vitnas.toml"
    file.write_text("[train.augment]\nflip = 0.5\nmixup = 0.2\n[train.sampler_options]\nwarmup = 0.5\n")
    read = given(TrainSettings, train_augment_flip=0.25, train_sampler_options=["num_archs=3"]).settings(file)
    assert (read.augment.flip, read.augment.mixup) == (0.25, 0.2)
    assert read.sampler_options == {"num_archs": 3}


def test_an_empty_flag_is_a_list_of_nothing() -> None:
    assert given(TrainSettings, train_loggers=[""]).settings(None).loggers == ()
    assert given(TrainSettings, train_loggers=["mlflow,wandb", "tensorboard"]).settings(None).loggers == (
        "mlflow", "wandb", "tensorboard",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cls", "values", "message"),
    [
        (TrainSettings, {"train_epochs": 0}, "^--epochs must be at least 1; got 0, change it$"),
        (TrainSettings, {"train_optimizer": "nadm"}, "^--optimizer cannot be 'nadm'.*Did you mean 'nadam'"),
        (TrainSettings, {"train_resolution_sizes": ["8,x"]}, "--resolution-sizes x: expected one side in pixels"),
        (
            TrainSettings,
            {"train_resolution_progressive": "[[1"},
            "--resolution-progressive .*as a settings file has it",
        ),
        (
            TrainSettings,
            {"train_sampler_options": ["warmup"]},
            "--sampler-options warmup: expected KEY=VALUE",
        ),
        (SearchSettings, {"search_seconds": "10"}, "--seconds 10: expected a positive number with a unit"),
    ],
)
def test_values_that_cannot_be_are_refused(cls: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        given(cls, **values).settings(None)


def test_a_command_gets_what_was_given_in_one_value() -> None:
    seen = []

    @with_settings(profile=Flags(ProfileSettings, names={"group": "--at-once"}, only=("group", "seed")))
    def command(profile: Given[ProfileSettings], name: str = "x") -> None:
        seen.append((name, profile.values, profile.flags))

    app = typer.Typer()
    app.command()(with_flags(command))
    app(["--at-once", "3", "--name", "y"], standalone_mode=False)
    app([], standalone_mode=False)
    assert seen == [("y", {"group": 3}, ("--at-once",)), ("x", {}, ())]


def test_help_tells_bounds_and_default() -> None:
    help_of = {one.name: one.help for one in parameters("train-supernet")}
    assert help_of["train_epochs"] == "Passes over the training images (at least 1; default: 20)."
    assert help_of["train_compile"].endswith("(default: off).")
