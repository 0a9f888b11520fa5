from __future__ import annotations

import optuna
import pytest

from tests.nas.problem import SMALL
from vitnas.errors import SearchError
from vitnas.latency_lut.protocol import Timing
from vitnas.nas.objectives import Objective
from vitnas.nas.study import Evaluation, Study

OBJECTIVES = (Objective.named("accuracy"), Objective.named("latency_ms"))
GOOD = Evaluation(SMALL.smallest(), {"accuracy": 0.1 + 0.2, "latency_ms": 1.5, "loss": 0.3}, 2.5, answers="9:/4A=")
BAD = Evaluation(SMALL.largest(), {}, 0.5, "RuntimeError: no luck")


@pytest.fixture(params=["sqlite", "journal", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("postgresql")()
    return f"{request.param}:///{tmp_path / 'study'}"


def open_study(url, space=SMALL, objectives=OBJECTIVES, origin=None):
    return Study(space, objectives, url, "demo", origin or {"device": "cpu"})


def test_what_is_recorded_is_found_again(url):
    study = open_study(url)
    assert study.find(SMALL.smallest()) is None
    study.record(GOOD)
    study.record(BAD)
    for again in (study, open_study(url)):
        assert again.find(SMALL.smallest()) == GOOD
        assert again.find(SMALL.largest()) == BAD
        assert len(again) == 2


def test_optuna_sees_genes_values_and_states(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = open_study(url)
    study.record(GOOD)
    study.record(BAD)
    small, large = optuna.load_study(study_name="demo", storage=url).trials
    assert small.params == {"width": 48, "depth": 3} | {
        f"{g}[{i}]": 2 for g in ("mlp_ratio", "heads") for i in range(3)
    }
    assert small.values == [0.1 + 0.2, 1.5]
    assert small.user_attrs["metrics"]["loss"] == 0.3
    assert len(large.params) == 10
    assert (large.state.name, large.user_attrs["error"]) == ("FAIL", "RuntimeError: no luck")
    assert optuna.load_study(study_name="demo", storage=url).directions[0].name == "MAXIMIZE"


def test_study_of_another_search_is_refused(url):
    open_study(url)
    with pytest.raises(SearchError, match="has fingerprint"):
        open_study(url, space=SMALL.restrict(depth=(3,)))
    with pytest.raises(SearchError, match="has objectives"):
        open_study(url, objectives=(OBJECTIVES[0], Objective.named("macs")))
    with pytest.raises(SearchError, match="has origin"):
        open_study(url, origin={"device": "iphone12"})


def test_study_of_another_program_is_refused(url):
    from vitnas.nas.study import _storage

    foreign = optuna.create_study(storage=_storage(url), study_name="demo", directions=["maximize", "minimize"])
    foreign.add_trial(optuna.trial.create_trial(values=[1, 2]))
    with pytest.raises(SearchError, match="not made by a vitnas search"):
        open_study(url)


@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/x.db", "nonsense", "mysql+nothing://u:secret@h/x"])
def test_storage_that_does_not_answer(url):
    with pytest.raises(SearchError, match="cannot be used") as error:
        open_study(url)
    assert "secret" not in str(error.value)


@pytest.mark.slow
def test_a_server_that_has_no_such_database_or_does_not_answer(postgresql):
    server = postgresql().rsplit("/", 1)[0]
    for url in (f"{server}/nowhere", "postgresql://me:secret@127.0.0.1:1/test"):
        with pytest.raises(SearchError, match="cannot be used") as error:
            open_study(url)
        assert "secret" not in str(error.value)


def test_damaged_file(tmp_path):
    (tmp_path / "study.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(SearchError, match="cannot be used"):
        open_study(f"sqlite:///{tmp_path / 'study.db'}")


def test_measurements_are_found_again_and_damaged_ones_told(url):
    timing = Timing(1.5, 0.1, 1.4, 1.7, 20, 0.3, energy_mj=2.5)
    study = open_study(url)
    study.record(GOOD)
    study.record_timing("cpu", GOOD.arch, timing)
    for again in (study, open_study(url)):
        assert again.timings("cpu") == {GOOD.arch: timing}
        assert again.timings("phone") == {}
        assert len(again) == 1
    study._study.set_user_attr("timing cpu broken", {"device": "cpu", "arch": {}, "timing": {}})
    with pytest.raises(SearchError, match="note 'timing cpu broken'"):
        open_study(url)


def test_searches_of_one_study_share_what_they_evaluate(url):
    first, second = open_study(url), open_study(url)
    first.record(GOOD)
    assert second.find(GOOD.arch) is None
    second.refresh()
    assert second.find(GOOD.arch) == GOOD
    second.record(BAD)
    first.refresh()
    assert len(first) == len(second) == 2


def test_a_locked_database_is_told(tmp_path):
    import sqlite3

    path = tmp_path / "study.db"
    open_study(f"sqlite:///{path}")
    with sqlite3.connect(path) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SearchError, match="cannot be used: .*locked"):
            open_study(f"sqlite:///{path}?timeout=0.1")
        other.rollback()
