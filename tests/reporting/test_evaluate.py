"""`vitnas evaluate`, from the weights of a run to its table."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.errors import CheckpointError, DataError, SettingsError
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.reporting.page.page_data import describe_page
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.tested import read_tested
from vitnas.supernets.training.optimizer import make_optimizer
from vitnas.supernets.training.train import start_run
from vitnas.supernets.weights.checkpoints import TrainingProgress, checkpoint_folders, save_checkpoint


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    space = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3,), mlp_ratio=(2.0, 3.0))
    made = start_run(tmp_path_factory.mktemp("evaluate") / "run", space, "digits", TrainSettings(steps=8, threads=1))
    net = Supernet(space)
    save_checkpoint(made, net, make_optimizer(net, TrainSettings()), TrainingProgress(5))
    return made


def evaluated(run: RunFolder, *options: object) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["evaluate", "--run", str(run.path), *map(str, options), "--json"])
    assert result.exit_code == 0, result.exception
    found: list[dict[str, Any]] = json.loads(result.stdout)
    assert "these are the weights of step 5 of 8" in result.stderr
    return found


def test_the_ends_of_a_space_with_what_they_cost(run: RunFolder) -> None:
    (small,), (large,) = evaluated(run, "--smallest"), evaluated(run, "--largest")
    assert (small["name"], large["name"]) == ("smallest", "largest")
    assert small["num_params"] == count(run.space.lower(run.space.smallest())).num_params
    assert small["macs"] < large["macs"]
    score = SupernetScore.of(run, test=True)(run.space.smallest())
    judged = ("accuracy", "accuracy_std", "loss")
    assert [small[name] for name in judged] == [score[name] for name in judged]
    assert (small["test"]["accuracy"], small["test"]["num_images"]) == (score["test_accuracy"], score["test_images"])
    low, high = small["test"]["interval"]
    assert low < small["test"]["accuracy"] < high
    assert small["latency_ms"] == {}


def test_what_the_test_says_is_kept_for_the_page(run: RunFolder) -> None:
    drawn = evaluated(run, "--sample", 2)
    found = {one.arch_id: one for one in read_tested(run)}
    for one in drawn:
        kept = found[one["id"]]
        assert (kept.value, kept.num_images) == (one["test"]["accuracy"], 180)
        assert kept.weights == "shared weights of step 5"
    before = len(found)
    evaluated(run, "--sample", 2)  # again: the new stands in place of the old
    assert len(read_tested(run)) == before
    page = describe_page(run.path)["test"]
    assert page["kept"] is True
    assert [one["arch_id"] for one in page["networks"]] == [one.arch_id for one in read_tested(run)]


def test_a_run_without_test_says_so(run: RunFolder, tmp_path: Path) -> None:
    old = RunFolder(tmp_path / "old")
    shutil.copytree(run.path, old.path)
    (old.path / "tested.json").unlink(missing_ok=True)
    old.save_config({"data": {"name": "digits"}})
    assert evaluated(old, "--smallest")[0]["test"] is None
    assert not (old.path / "tested.json").exists()
    result = CliRunner().invoke(app, ["evaluate", "--run", str(old.path), "--smallest"])
    assert "no test images were kept" in result.stdout
    assert describe_page(old.path)["test"] == {"kept": False, "networks": [], "metric": "Top-1 accuracy"}
    (old.path / "tested.json").write_text('[{"arch_id": 3}]')
    with pytest.raises(DataError, match="tested.json' is none that vitnas wrote"):
        read_tested(old)


def test_archs_of_a_file_and_of_a_seed(run: RunFolder, tmp_path: Path) -> None:
    drawn = evaluated(run, "--sample", 3, "--seed", 4)
    assert len({one["id"] for one in drawn}) == len(drawn) == 3
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(drawn[1]["arch"]))
    (one,) = evaluated(run, "--arch", file)
    assert one == {**drawn[1], "name": "mine"}


def test_the_table_names_its_columns(run: RunFolder) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--run", str(run.path), "--sample", "2"])
    assert result.exit_code == 0
    assert all(
        name in result.stdout
        for name in ("accuracy", "loss", "test, 95 %", "parameters", "MACs", "%", "test: 180 images")
    )


@pytest.mark.ray
@pytest.mark.slow
def test_workers_find_the_same(run: RunFolder) -> None:
    assert evaluated(run, "--sample", 2, "--workers", 2) == evaluated(run, "--sample", 2)


@pytest.mark.parametrize("options", [[], ["--smallest", "--largest"], ["--sample", "2", "--arch", "x.json"]])
def test_exactly_one_choice_of_archs(run: RunFolder, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["evaluate", "--run", str(run.path), *options])
    assert isinstance(result.exception, SettingsError)
    assert "exactly one of --arch" in str(result.exception)


def test_a_run_without_checkpoint_says_how_to_get_one(run: RunFolder, tmp_path: Path) -> None:
    empty = start_run(tmp_path / "empty", run.space, "digits", TrainSettings(steps=8, threads=1))
    assert not checkpoint_folders(empty)
    result = CliRunner().invoke(app, ["evaluate", "--run", str(empty.path), "--smallest"])
    assert isinstance(result.exception, CheckpointError)
    assert "no checkpoint yet; train it with" in str(result.exception)
