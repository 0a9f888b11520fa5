"""Rows that are written at once are held against what Optuna's own `add_trial` writes."""

from __future__ import annotations

import datetime
import sqlite3
import threading
import time

import numpy as np
import optuna
import pytest
import sqlalchemy

from tests.nas.problem import SMALL
from vitnas.nas import trials as module
from vitnas.nas.objectives import Objective
from vitnas.nas.study import Evaluation, Study, _storage
from vitnas.nas.trials import AnyTrials, Ended, Rows, trials_of
from vitnas.search_spaces import OFF, load_space

SPACES = ["autoformer-mini", "elasticvit", "asvit"]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path):
    return (
        request.getfixturevalue("postgresql")()
        if request.param == "postgresql"
        else f"sqlite:///{tmp_path / 'study.db'}"
    )


def ended(space, n, objectives=2, seed=0):
    """Some that failed among them."""
    codes = space.genome.sample(n, np.random.default_rng(seed))
    numbers = np.random.default_rng(seed).random((n, objectives)).tolist()
    return [
        Ended(
            row,
            values if i % 3 else None,
            {"arch": arch.to_json(), "seconds": 0.1 * i, "metrics": {"a": values[0]}, "error": 'no "luck" \u00fc'},
        )
        for i, (row, arch, values) in enumerate(zip(codes.tolist(), space.decode(codes), numbers, strict=True))
    ]


def open_in(storage, name="s", objectives=2):
    return optuna.create_study(
        storage=storage, study_name=name, directions=["maximize"] * objectives, load_if_exists=True
    )


def facts(trial):
    return (
        trial.number, trial.state, trial.values, list(trial.params.items()), trial.distributions,
        list(trial.user_attrs.items()), trial.system_attrs, trial.intermediate_values,
    )  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("space_name", SPACES)
@pytest.mark.parametrize("objectives", [1, 2])
def test_optuna_reads_what_its_own_function_would_have_written(url, space_name, objectives):
    space, storage = load_space(space_name), _storage(url)
    some = ended(space, 7, objectives)
    own, ours = (open_in(storage, name, objectives) for name in ("own", "ours"))
    AnyTrials(own, space.columns).add(some)
    rows = trials_of(ours, storage, space.columns)
    assert isinstance(rows, Rows)
    rows.add(some[:3])
    rows.add(some[3:])
    expected, found = own.trials, ours.trials
    assert [facts(trial) for trial in found] == [facts(trial) for trial in expected]
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.datetime_start == mine.datetime_complete
        assert abs(mine.datetime_start - theirs.datetime_start) < datetime.timedelta(minutes=5)
        assert type(mine.datetime_start.tzinfo) is type(theirs.datetime_start.tzinfo)
    assert len(ours.best_trials) == len(own.best_trials) > 0


def test_numbers_go_on_whoever_adds_and_each_learns_of_the_others(url):
    storage = _storage(url)
    study = open_in(storage)
    first, second = (trials_of(open_in(_storage(url)), _storage(url), SMALL.columns) for _ in range(2))
    some = ended(SMALL, 9)
    first.add(some[:4])
    assert list(first.news()) == []  # its own need no reading
    AnyTrials(study, SMALL.columns).add(some[4:5])
    study.add_trial(optuna.trial.create_trial(values=[1, 2]))
    second.add(some[5:])
    first.add(ended(SMALL, 2, seed=1))
    assert [trial.number for trial in study.trials] == list(range(12))
    heard = {number for number, _ in first.news()}
    assert heard >= {4, 6, 7, 8, 9}
    assert dict(second.news()).keys() >= {0, 1, 2, 3, 4, 10, 11}
    assert list(first.news()) == list(second.news()) == []
    again = dict(trials_of(study, storage, SMALL.columns).news())
    assert [again[i] for i in (0, 1, 2, 3, 4, 6, 7, 8, 9)] == [one.attrs for one in some]


def test_a_batch_that_fails_leaves_nothing(url):
    storage = _storage(url)
    study = open_in(storage)
    rows = trials_of(study, storage, SMALL.columns)
    good = ended(SMALL, 3)
    with pytest.raises(TypeError):
        rows.add([*good[:2], Ended(good[2].codes, good[2].values, {"arch": object()})])
    assert study.trials == []
    rows.add(good)
    rows.add([])
    assert [trial.number for trial in study.trials] == [0, 1, 2]


def test_the_database_is_asked_a_few_things_however_many_trials_are_added(tmp_path):
    storage = _storage(f"sqlite:///{tmp_path / 'study.db'}")
    rows = trials_of(open_in(storage), storage, SMALL.columns)
    asked: list[str] = []
    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    counts = []
    for n in (1, 20, 20):
        rows.add(ended(SMALL, n, seed=n))
        counts.append(len(asked))
        asked.clear()
    assert max(counts) <= 8


def test_a_database_that_another_holds_for_a_moment_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(module.random, "random", lambda: 0.1)
    path = tmp_path / "study.db"
    storage = _storage(f"sqlite:///{path}?timeout=0.1")
    study = open_in(storage)
    rows = trials_of(study, storage, SMALL.columns)
    locked = threading.Event()

    def hold():
        with sqlite3.connect(path) as other:
            other.execute("BEGIN EXCLUSIVE")
            locked.set()
            time.sleep(0.4)
            other.rollback()

    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait()
    rows.add(ended(SMALL, 2))
    holder.join()
    assert len(study.trials) == 2


@pytest.mark.heavy
def test_a_study_written_one_trial_at_a_time_goes_on(tmp_path):
    """As version 0.1 wrote them."""
    url = f"sqlite:///{tmp_path / 'study.db'}"
    objectives = [Objective.named("accuracy"), Objective.named("latency_ms")]
    Study(SMALL, objectives, url, "s", {"device": "cpu"})
    known = [
        Evaluation(arch, {"accuracy": 0.5, "latency_ms": 2.0}, 1.5) if i else Evaluation(arch, {}, 0.5, "no luck")
        for i, arch in enumerate(SMALL.sample(4, np.random.default_rng(2)))
    ]
    older = optuna.load_study(study_name="s", storage=url)
    for one in known:
        row = SMALL.encode([one.arch])[0]
        active = [(c, c.choices[code]) for c, code in zip(SMALL.columns, row, strict=True) if code != OFF]
        attrs = {"arch": one.arch.to_json(), "arch_id": one.arch.id, "seconds": one.seconds}
        attrs |= {"error": one.error} if one.error else {"metrics": dict(one.metrics)}
        older.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.FAIL if one.error else optuna.trial.TrialState.COMPLETE,
                values=None if one.error else list(one.metrics.values()),
                params={c.name: choice for c, choice in active},
                distributions={c.name: optuna.distributions.CategoricalDistribution(c.choices) for c, _ in active},
                user_attrs=attrs,
            )
        )
    study = Study(SMALL, objectives, url, "s", {"device": "cpu"})
    assert list(study) == known
    more = [Evaluation(SMALL.largest(), {"accuracy": 0.9, "latency_ms": 9.0}, 1.0)]
    study.record(*more)
    assert list(Study(SMALL, objectives, url, "s", {"device": "cpu"})) == [*known, *more]
    assert [trial.number for trial in older.trials] == [0, 1, 2, 3, 4]
