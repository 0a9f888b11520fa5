"""From images and a limit to an answer, and what goes on when it is asked again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.loggers.lines import add_lines, told
from vitnas.automation.automate import Telling, automate
from vitnas.automation.plan import Plan, Rung
from vitnas.automation.question import ask as record
from vitnas.automation.scoreboard import Line, Scoreboard, ahead, write_scoreboard
from vitnas.automation.settings import AutoSettings
from vitnas.errors import SearchError, SettingsError
from vitnas.files import read_json
from vitnas.supernets.data import DataSettings, load_dataset, resolved

pytestmark = pytest.mark.heavy  # networks are trained and exported

DIGITS = DataSettings("digits")
ASKED = AutoSettings(limits={"iphone12": 1.5}, seconds=4.0, spaces=("autoformer-mini",), workers=1)


def ask(folder, settings=ASKED, dry_run=False):
    said: list[str] = []
    found = automate(DIGITS, settings, folder, Telling(said.append), dry_run)
    return found, said


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A plan that was edited to have three candidates and two rungs, followed to its end."""
    folder = tmp_path_factory.mktemp("auto") / "digits"
    found, _ = ask(folder, dry_run=True)
    assert found.scoreboard is None
    assert not (folder / "runs").exists()
    [uniform] = found.plan.baselines
    one = replace(found.plan.candidates[0], steps=30)
    space = one.load_space(load_dataset(DIGITS).task)
    others = [replace(one, arch=arch.to_json()) for arch in space.sample(2, np.random.default_rng(3))]
    rungs = (Rung(0.2, 2), Rung(0.5, 1))
    replace(found.plan, entries=(one, *others, replace(uniform, steps=40)), rungs=rungs).write(folder / "plan.toml")
    return folder, *ask(folder)


def test_the_answer_is_the_winner_beside_the_baseline_of_its_space(answered):
    folder, found, _ = answered
    network, uniform = found.scoreboard.lines
    assert (network.role, uniform.role) == ("network", "uniform")
    assert network.space == uniform.space == "autoformer-mini"
    assert found.scoreboard.split == "test"
    assert found.scoreboard.num_images == 180
    assert network.ms["iphone12"] <= 1.5
    standings = read_json(folder / "standings.json")
    assert [len(rung) for rung in standings] == [3, 2]
    best = min(standings[1], key=lambda one: one["loss"])
    assert best["kept"]
    assert network.arch_id in best["name"]


def test_its_accuracy_is_that_of_the_exported_network(answered):
    folder, found, _ = answered
    report = read_json(folder / "network" / "report.json")
    assert report["accuracy"]["test"]["accuracy"] == found.scoreboard.lines[0].accuracy
    assert report["formats"]["onnx"]
    assert report["arch_id"] == found.scoreboard.lines[0].arch_id


def test_all_that_it_spent_is_counted(answered):
    folder, found, _ = answered
    standings = read_json(folder / "standings.json")
    dropped = sum(one["cpu_s"] for rung in standings for one in rung if not one["kept"])
    assert found.scoreboard.lines[0].minutes * 60 > dropped


def test_the_table_is_painted_where_somebody_can(answered):
    folder, _found, _ = answered
    painted = []
    again = automate(
        DIGITS, ASKED, folder, Telling(lambda text: None, paint=lambda board, path: painted.append((board, path)))
    )
    assert painted == [(again.scoreboard, folder / "scoreboard.png")]
    assert "scoreboard.png" in (folder / "README.md").read_text()


def test_the_page_is_told_all_that_was_found(answered):
    folder, *_ = answered
    told = []
    again = automate(DIGITS, ASKED, folder, Telling(lambda text: None, report=told.append))
    assert told == [again]
    assert any(command.startswith("vitnas export") for command in again.commands)
    assert "(report.html)" in (folder / "README.md").read_text()


def test_loggers_are_told_how_candidates_stood_and_what_was_found(answered, monkeypatch):
    """They are no part of the question: a search goes on with others."""
    add_lines(monkeypatch)
    folder, found, _ = answered
    automate(DIGITS, replace(ASKED, loggers=("lines",)), folder, Telling(lambda text: None))
    assert "loggers" not in (folder / "question.toml").read_text()
    first, *rungs, board, plan, scoreboard, network, last = told(folder)
    assert (first["opened"], last) == (f"auto-{folder.name}", {"finished": True})
    assert [(line["step"], line["candidates"], line["kept"]) for line in rungs] == [(1, 3, 2), (2, 2, 1)]
    assert board["step"] == 3
    ours, uniform = found.scoreboard.lines
    assert (board["network/accuracy"], board["uniform/accuracy"]) == (ours.accuracy, uniform.accuracy)
    assert board["network/latency_ms/iphone12"] == ours.ms["iphone12"]
    files = ("plan.toml", "scoreboard.json", "network")
    assert [plan, scoreboard, network] == [{"artefact": name, "there": True} for name in files]


def test_asked_again_it_answers_at_once(answered):
    folder, found, _ = answered
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*.safetensors")}
    again, said = ask(folder)
    assert before == {file: file.stat().st_mtime_ns for file in folder.rglob("*.safetensors")}
    assert again.scoreboard == found.scoreboard
    assert said[0].startswith("following")


def test_a_question_from_before_a_setting_is_the_same_with_its_default(tmp_path, answered):
    folder, *_ = answered
    question = (folder / "question.toml").read_text()
    assert 'torch_device = "auto"' in question
    for changed, same in ((ASKED, True), (replace(ASKED, torch_device="cpu"), False)):
        older = tmp_path / f"{same}"
        older.mkdir()
        (older / "question.toml").write_text(question.replace('torch_device = "auto"\n', ""))
        before = load_dataset(DIGITS)
        if same:
            record(older, "an automatic search's", resolved(DIGITS, before), changed)
        else:
            with pytest.raises(SettingsError, match=r"another question, which differs in auto\.torch_device"):
                record(older, "an automatic search's", resolved(DIGITS, before), changed)


def test_another_question_needs_another_folder(answered):
    folder, *_ = answered
    with pytest.raises(SettingsError, match=r"answers another question.*auto\.limits"):
        ask(folder, replace(ASKED, limits={"iphone12": 2.0}))


def test_a_folder_of_somebody_else_is_left_as_it_is(tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(SettingsError, match="holds other files"):
        ask(tmp_path)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_first_weights_are_taken_by_those_that_they_fit(answered, tmp_path):
    """Those of the winner fit itself; an arch of another width draws its own, which is said."""
    folder, found, _ = answered
    weights = folder / "network" / "weights.safetensors"
    settings = replace(ASKED, init=str(weights), baselines=())
    ask(tmp_path / "a", settings, dry_run=True)
    plan = Plan.read(tmp_path / "a" / "plan.toml")
    winner = next(e for e in found.plan.candidates if found.scoreboard.lines[0].arch_id in e.name)
    other = next(e for e in found.plan.candidates if e.arch["genes"]["width"] != winner.arch["genes"]["width"])
    rungs = (Rung(0.2, 1),)
    replace(plan, entries=(replace(winner, steps=10), replace(other, steps=10)), rungs=rungs).write(
        tmp_path / "a" / "plan.toml"
    )
    _, said = ask(tmp_path / "a", settings)
    assert [line.partition(" ")[0] for line in said if "drawn weights" in line] == [other.name]


def test_the_card_says_what_was_found(answered):
    folder, found, _ = answered
    text = (folder / "README.md").read_text()
    assert found.scoreboard.lines[0].arch_id in text
    assert "180 test images" in text
    assert "vitnas export" in text


def test_a_limit_that_nothing_keeps_is_said_before_anything_is_trained(tmp_path):
    with pytest.raises(SearchError, match="no arch of autoformer-mini keeps 0.001 ms on iphone12"):
        ask(tmp_path / "a", replace(ASKED, limits={"iphone12": 0.001}))
    with pytest.raises(SettingsError, match="names no device"):
        ask(tmp_path / "b", replace(ASKED, limits={}))


def test_pairs_of_answers_tell_who_is_ahead():
    rng = np.random.default_rng(0)
    theirs = rng.random(1000) < 0.5
    ours = theirs | (rng.random(1000) < 0.2)
    points, low, high = ahead(ours, theirs)
    assert points == pytest.approx(100 * (ours.mean() - theirs.mean()))
    assert 0 < low < points < high
    assert ahead(theirs, ours) == (-points, -high, -low)
    same = ahead(ours, ours)
    assert same[0] == 0
    assert same[1] < 0 < same[2]


def test_the_interval_holds_the_truth_as_often_as_it_says():
    """Two networks of known accuracies that err together: the interval of their difference covers it in 95 % of draws."""
    rng = np.random.default_rng(1)
    many = rng.random(2_000_000)
    share = [np.mean(many + rng.normal(0, 0.2, many.size) < most) for most in (0.6, 0.55)]
    truth = 100 * float(share[0] - share[1])
    covered = 0
    for _ in range(400):
        hard = rng.random(500)
        ours, theirs = hard + rng.normal(0, 0.2, 500) < 0.6, hard + rng.normal(0, 0.2, 500) < 0.55
        _, low, high = ahead(ours, theirs)
        covered += low <= truth <= high
    assert covered / 400 > 0.92


def test_a_verdict_says_better_worse_or_neither(tmp_path):
    line = Line("network", "deit", 32, "0" * 12, 0.5, (0.4, 0.6), {"cpu": 1.0}, 10, 1.0)
    answer = Scoreboard(
        "images",
        "test",
        100,
        {"cpu": 1.0},
        (line,),
        {"a": (2.0, 1.0, 3.0), "b": (-2.0, -3.0, -1.0), "c": (1.0, -1.0, 3.0)},
    )
    better, worse, neither = answer.verdict()
    assert "better by 2.0 points" in better
    assert "worse by 2.0 points" in worse
    assert "cannot be told apart" in neither
    write_scoreboard(answer, tmp_path, [])
    assert all(sentence in (tmp_path / "README.md").read_text() for sentence in answer.verdict())
