"""Candidates that are trained by parts: dropped or not, each learns what it would alone, whoever trains it."""

from __future__ import annotations

import math
import re

import pytest
import torch

from vitnas.automation.contender import Stretch, enter, read_marks, train_stretch
from vitnas.automation.plan import Entry, Plan, Rung
from vitnas.automation.progress import steps_of
from vitnas.automation.recipe import recipe
from vitnas.automation.rungs import Trainer, climb
from vitnas.errors import SettingsError
from vitnas.nas.execution.executor import SerialExecutor
from vitnas.nas.execution.ray import RayExecutor
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import load_supernet

pytestmark = pytest.mark.heavy  # networks are trained

STEPS = 20


@pytest.fixture(scope="module")
def dataset():
    return load_dataset("digits")


def entered(folder, dataset, names=("smallest", "largest")) -> Plan:
    entries = []
    for name in names:
        entry = Entry("candidate", "autoformer-mini", 8, {}, {"cpu": 1.0}, 0.01, False, STEPS, 2e-3)
        space = entry.load_space(dataset.task)
        arch = getattr(space, name)()
        entry = Entry("candidate", "autoformer-mini", 8, arch.to_json(), {"cpu": 1.0}, 0.01, False, STEPS, 2e-3)
        enter(
            folder / entry.name,
            space.alone(arch),
            DataSettings("digits"),
            recipe(dataset, False, STEPS, threads=1),
        )
        entries.append(entry)
    return Plan(tuple(entries), (Rung(0.2, 2), Rung(0.5, 1)), workers=1, threads=1, seed=0, looked_s=1.0)


def weights(folder):
    return dict(load_supernet(RunFolder.open(folder)).named_parameters())


@pytest.fixture(scope="module")
def climbed(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rungs")
    plan = entered(folder, dataset)
    said: list[str] = []
    with SerialExecutor() as executor:
        trainer = Trainer(folder, executor, said.append, show=True)
        winner, history = climb(plan, trainer)
        [mark] = trainer.train([winner], 1.0, "training").values()
    return folder, plan, winner, history, mark, said


def test_the_worse_is_dropped_at_its_rung(climbed):
    folder, _plan, winner, history, mark, said = climbed
    assert [len(rung) for rung in history] == [2, 2]
    assert [one.kept for one in history[1]] == [True, False]
    assert history[1][0].entry == winner
    assert history[1][0].mark.loss <= history[1][1].mark.loss
    loser = history[1][1].entry
    assert [mark.step for mark in read_marks(RunFolder.open(folder / loser.name))] == [4, 10]
    assert mark.step == STEPS
    assert len(said) == 5


def test_a_winner_learnt_what_it_would_have_alone(climbed, dataset, tmp_path):
    folder, _plan, winner, *_ = climbed
    space, arch = winner.load_space(dataset.task), Arch.from_json(winner.arch)
    alone = enter(
        tmp_path / "alone",
        space.alone(arch),
        DataSettings("digits"),
        recipe(dataset, False, STEPS, threads=1),
    )
    assert train(alone, progress=False)
    ours, theirs = weights(folder / winner.name), weights(tmp_path / "alone")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_asked_again_it_recalls(climbed):
    folder, plan, winner, history, *_ = climbed
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.safetensors")}
    with SerialExecutor() as executor:
        again, told = climb(plan, Trainer(folder, executor, lambda text: None))
    assert (again, told) == (winner, history)
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*.safetensors")}


def test_killed_after_a_training_and_before_its_mark_it_is_judged_again(climbed, dataset, tmp_path):
    plan = entered(tmp_path, dataset, ["smallest"])
    part = Stretch(tmp_path / plan.entries[0].name, 8)
    first = train_stretch(part)
    (part.path / "marks.json").unlink()
    again = train_stretch(part)
    assert (again.loss, again.accuracy, again.step) == (first.loss, first.accuracy, 8)


def test_a_bar_knows_how_far_a_run_is(climbed, tmp_path):
    folder, _plan, winner, *_ = climbed
    assert steps_of(folder / winner.name) == STEPS
    assert steps_of(tmp_path) == 0


def test_a_training_that_goes_astray_loses(climbed, dataset, tmp_path):
    """One candidate learns so fast that its weights are no numbers after a few steps; the other wins whatever it learnt."""
    plan = entered(tmp_path, dataset)
    astray = tmp_path / plan.entries[0].name / "config.toml"
    astray.write_text(re.sub(r"learning_rate = \S+", "learning_rate = 1e30", astray.read_text(), count=1))
    with SerialExecutor() as executor:
        winner, history = climb(plan, Trainer(tmp_path, executor, lambda text: None))
    assert winner == plan.entries[1]
    assert [one.mark.loss for one in history[0]][1] == math.inf


def test_a_run_that_was_begun_for_other_steps_is_refused(climbed, dataset):
    folder, _plan, winner, *_ = climbed
    space, arch = winner.load_space(dataset.task), Arch.from_json(winner.arch)
    with pytest.raises(SettingsError, match=r"begun for 20 steps, and the plan says 30"):
        enter(
            folder / winner.name,
            space.alone(arch),
            DataSettings("digits"),
            recipe(dataset, False, 30, threads=1),
        )


def test_processor_time_adds_up_over_parts(climbed):
    folder, _plan, winner, *_ = climbed
    spent = [mark.cpu_s for mark in read_marks(RunFolder.open(folder / winner.name))]
    assert spent == sorted(spent)
    assert spent[0] > 0


@pytest.mark.slow
@pytest.mark.ray
def test_workers_on_ray_find_the_same(climbed, dataset, tmp_path):
    _, _, winner, history, mark, _ = climbed
    plan = entered(tmp_path, dataset)
    with RayExecutor(2) as executor:
        trainer = Trainer(tmp_path, executor, lambda text: None)
        found, told = climb(plan, trainer)
        [again] = trainer.train([found], 1.0, "training").values()
    assert found == winner
    for ours, theirs in zip(told, history, strict=True):
        assert [(one.entry, one.mark.loss, one.kept) for one in ours] == [
            (one.entry, one.mark.loss, one.kept) for one in theirs
        ]
    assert (again.loss, again.accuracy) == (mark.loss, mark.accuracy)
