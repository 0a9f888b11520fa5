"""Several limits, one question: a supernet for all of them, or a training each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.automation.automate import Telling, automate
from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.family import automate_family, divided, joined, together
from vitnas.automation.planning_shared import check_run
from vitnas.automation.settings import AutoSettings
from vitnas.automation.sharing import SharedPlan, up_to
from vitnas.automation.shortlist import shortlist
from vitnas.errors import SettingsError
from vitnas.files import read_json
from vitnas.run import RunFolder
from vitnas.search_spaces import OFF, Arch, load_space
from vitnas.supernets.data import DataSettings, dataset_of, load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train

DIGITS = DataSettings("digits")
OWN = Path(__file__).parents[2] / "docs" / "examples" / "own_space.toml"
ASKED = AutoSettings(
    limits={"iphone12": (0.5, 1.5)},
    seconds=4.0,
    spaces=("autoformer-mini",),
    strategy="supernet",
    baselines=(),
    formats=("torch",),
    workers=1,
)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """The plan is cut short, so that a supernet of a few steps is all that the tests wait for."""
    folder = tmp_path_factory.mktemp("family") / "digits"
    said: list[str] = []
    found = automate_family(DIGITS, ASKED, folder, Telling(said.append), dry_run=True)
    assert found.scoreboard is None
    assert not (folder / "supernet").exists()
    plan = SharedPlan.read(folder / "supernet.toml")
    largest = load_space("autoformer-mini", load_dataset(DIGITS).task).largest()
    replace(plan, steps=24, up_to=largest.to_json()).write(folder / "supernet.toml")
    return folder, automate_family(DIGITS, replace(ASKED), folder, Telling(said.append)), said


@pytest.mark.heavy
def test_each_limit_has_its_network(answered):
    folder, found, _ = answered
    assert [part.folder for part in found.parts] == [folder / "0.5ms", folder / "1.5ms"]
    assert [line.role for line in found.scoreboard.lines] == [
        "network, 0.5 ms on iphone12",
        "network, 1.5 ms on iphone12",
    ]
    for part, ms in zip(found.parts, (0.5, 1.5), strict=True):
        assert part.scoreboard.lines[0].ms["iphone12"] <= ms
        assert (part.network / "report.json").is_file()
    assert "`0.5ms/network/`" in (folder / "README.md").read_text()
    assert found.network == folder / "0.5ms" / "network"


@pytest.mark.heavy
def test_candidates_begin_with_the_weights_of_the_supernet_which_they_answer_for(answered):
    folder, found, _ = answered
    for part in found.parts:
        config = RunFolder.open(next((part.folder / "runs").iterdir())).config
        assert config["train"]["init"] == str((folder / "supernet").resolve())
        own = sum(one["cpu_s"] for rung in read_json(part.folder / "standings.json") for one in rung)
        shared = read_json(folder / "supernet" / "marks.json")[-1]["cpu_s"] / 2
        assert 60 * part.scoreboard.lines[0].minutes > shared + 0.9 * own * bool(own)


@pytest.mark.heavy
def test_asked_again_it_answers_at_once(answered):
    folder, found, _ = answered
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.safetensors")}
    again = automate_family(DIGITS, ASKED, folder, Telling(lambda text: None))
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*.safetensors")}
    assert again.scoreboard == found.scoreboard


@pytest.mark.heavy
def test_archs_are_listed_by_their_loss_within_the_limit(answered):
    folder, *_ = answered
    run, clock = RunFolder.open(folder / "supernet"), Clock({"iphone12": 0.5})
    listed = shortlist(run, dataset_of(run), clock, 5, 0, lambda text: None)
    assert len(listed) > 2
    losses = [one.loss for one in listed]
    assert losses == sorted(losses)
    assert all(one.placed.share <= 1 for one in listed)
    assert listed == shortlist(run, dataset_of(run), clock, 5, 0, lambda text: None)


@pytest.mark.heavy
def test_a_run_that_saw_other_images_is_refused(answered, tmp_path):
    folder, *_ = answered
    run = RunFolder.open(folder / "supernet")
    check_run(run, DIGITS, load_dataset(DIGITS))
    other = replace(DIGITS, seed=1)
    settings = replace(ASKED, limits={"iphone12": 1.5}, run=str(run.path))
    with pytest.raises(SettingsError, match=r"seed = 0, so it may have seen the test images of seed = 1"):
        automate(other, settings, tmp_path / "a", Telling(lambda text: None))
    assert not (tmp_path / "a").exists()


@pytest.mark.heavy
def test_a_run_of_a_space_of_ones_own_keeps_its_uniform_baseline(tmp_path):
    """Its plan names the file that the run keeps, so that the plan can be followed where the user's file is gone."""
    mine = tmp_path / "mine.toml"
    mine.write_text(OWN.read_text())
    task = load_dataset(DIGITS).task
    run = start_run(tmp_path / "run", load_space(str(mine), task), DIGITS, TrainSettings(steps=2, batch_size=16))
    train(run, progress=False)
    mine.unlink()
    settings = replace(ASKED, limits={"iphone12": 3.0}, baselines=("uniform",), run=str(run.path))
    said: list[str] = []
    plan = automate(DIGITS, settings, tmp_path / "answer", Telling(said.append), dry_run=True).plan
    assert [entry.role for entry in plan.baselines] == ["uniform"]
    assert {entry.space for entry in plan.entries} == {str(run.path / "space.toml")}
    for entry in plan.entries:
        entry.load_space(task).check(Arch.from_json(entry.arch))


@given(st.integers(0, 10_000))
def test_what_spans_up_to_an_arch_has_it_as_its_largest(seed):
    import numpy as np

    space = load_space("autoformer-mini")
    [arch] = space.sample(1, np.random.default_rng(seed))
    part = up_to(space, arch)
    assert part.largest() == arch
    top = space.encode([arch])[0]
    for codes in space.encode(part.sample(5, np.random.default_rng(seed))):
        assert all(code <= most for code, most in zip(codes, top, strict=True) if OFF not in (code, most))


@given(
    number=st.integers(1, 6),
    threads=st.sampled_from([1, 2, 4, 8]),
    baselines=st.sampled_from([(), ("uniform",), ("uniform", "vit")]),
    seconds=st.floats(10, 1e5),
)
def test_supernet_and_networks_take_the_time_that_was_given(number, threads, baselines, seconds):
    """With as many workers as trainings, or one; the supernet takes half of what leads to a network."""
    limits = {"cpu": tuple(range(1, number + 1))}
    settings = AutoSettings(limits=limits, seconds=seconds, baselines=baselines, strategy="supernet")
    portions = divided(settings, Lanes(threads), shares=True)
    supernet_s = number * portions.cpu_s / 2 / threads
    assert supernet_s + number * portions.seconds == pytest.approx(seconds)


def test_limits_are_numbers_as_many_for_each_device():
    both = AutoSettings(limits={"cpu": (1.0, 2.0), "iphone12": 3.0})
    assert both.targets == ({"cpu": 1.0, "iphone12": 3.0}, {"cpu": 2.0, "iphone12": 3.0})
    assert AutoSettings(limits={"cpu": 3.0}).targets == ({"cpu": 3.0},)
    for wrong in ({"cpu": (1.0, 2.0), "iphone12": (1.0, 2.0, 3.0)}, {"cpu": 0.0}, {"cpu": ()}, {"cpu": True}):
        with pytest.raises(SettingsError, match=r"\[auto\] limits"):
            AutoSettings(limits=wrong)


def test_a_supernet_is_for_three_limits_and_more_unless_told():
    assert AutoSettings(limits={"cpu": (1.0, 2.0)}).way == "halving"
    assert AutoSettings(limits={"cpu": (1.0, 2.0, 3.0)}).way == "supernet"
    assert AutoSettings(limits={"cpu": 1.0}, run="runs/a").way == "supernet"
    assert AutoSettings(limits={"cpu": (1.0, 2.0, 3.0)}, strategy="halving").way == "halving"
    with pytest.raises(SettingsError, match="strategy"):
        AutoSettings(limits={"cpu": 1.0}, run="runs/a", strategy="halving")


def test_one_network_serves_all_limits_that_every_arch_keeps():
    targets = [{"cpu": 1.0, "phone": 3.0}, {"cpu": 2.0, "phone": 4.0}, {"cpu": 4.0, "phone": 3.5}]
    assert joined(targets, {"cpu": 1.5, "phone": 2.0}) == [(targets[0], 1), ({"cpu": 2.0, "phone": 3.5}, 2)]
    assert joined(targets, {"cpu": 9.0, "phone": 2.0}) == [(target, 1) for target in targets]
    assert joined(targets, {"cpu": 0.5, "phone": 0.5}) == [({"cpu": 1.0, "phone": 3.0}, 3)]


def test_no_tables_are_no_table():
    assert together([]) is None
