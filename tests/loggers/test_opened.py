"""The loggers of a run together: found again, told of the end, and unable to stop it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest

from tests.loggers.lines import told
from vitnas.errors import DataError, LoggerError, SettingsError
from vitnas.loggers import LoggedRun
from vitnas.loggers.names import refuse_unknown
from vitnas.loggers.opened import Loggers


def test_all_are_told_the_same_and_how_it_ended(begun: LoggedRun):
    with Loggers(["lines"], begun) as loggers:
        assert loggers.places == [f"numbers go to lines in {begun.folder / 'lines.jsonl'}"]
        loggers.numbers(2, {"loss": 1.5, "smallest": {"accuracy": 0.5, "loss": None}, "note": "text"})
        loggers.artefact(begun.folder)
    with pytest.raises(ZeroDivisionError), Loggers(["lines"], begun):
        _ = 1 / 0
    first, numbers, artefact, end, _, broken = told(begun.folder)
    assert first["parameters"] == {"train.steps": 6, "train.sampler": "multi"}
    assert numbers == {"step": 2, "loss": 1.5, "smallest/accuracy": 0.5}
    assert artefact == {"artefact": "run", "there": True}
    assert (end, broken) == ({"finished": True}, {"finished": False})


def test_a_run_that_goes_on_is_found_by_its_id(begun: LoggedRun):
    ids = begun.folder / "loggers.json"
    Loggers(["lines"], begun, ids).close(finished=False)
    Loggers(["lines"], replace(begun, name="renamed", step=4), ids)
    first, _, again = told(begun.folder)
    assert (first["opened"], first["again"], first["after"]) == ("train-small", False, 0)
    assert (again["opened"], again["again"], again["after"]) == ("train-small", True, 4)


def test_what_holds_no_ids_is_refused(begun: LoggedRun):
    (begun.folder / "loggers.json").write_text('["lines"]')
    with pytest.raises(DataError, match=r"loggers\.json' does not hold ids of loggers; remove it"):
        Loggers(["lines"], begun, begun.folder / "loggers.json")


def test_one_that_fails_is_left_out_with_one_warning(begun: LoggedRun):
    loggers = Loggers(["failing", "lines"], begun)
    for step in range(3):
        loggers.numbers(step, {"loss": 1.0})
    message = (
        "^logger 'failing' fails and is left out from here on: ConnectionError: the server of https://lines.example is "
        "gone; the files of vitnas have all numbers$"
    )
    with pytest.warns(UserWarning, match=message):
        loggers.numbers(3, {"loss": 1.0})
    with warnings.catch_warnings(action="error"):
        loggers.numbers(4, {"loss": 1.0})
        loggers.numbers(5, {"loss": 1.0})
    steps = [line["step"] for line in told(begun.folder) if "step" in line]
    assert sorted(steps) == sorted([*range(3), *range(6)])


def test_one_that_cannot_be_opened_is_an_error_at_the_beginning_and_a_warning_later(begun: LoggedRun):
    message = "logger 'closed' cannot be opened: ConnectionError: nobody at https://lines.example; see"
    with pytest.raises(LoggerError, match=message):
        Loggers(["closed"], begun)
    with pytest.warns(UserWarning, match="logger 'closed' fails and is left out"):
        loggers = Loggers(["closed", "lines"], replace(begun, step=4))
    assert len(loggers.places) == 1


def test_nothing_is_written_for_nobody(begun: LoggedRun):
    with warnings.catch_warnings(action="error"), Loggers([], begun, begun.folder / "loggers.json") as loggers:
        loggers.numbers(1, {"loss": 1.0})
    assert list(begun.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mlfow"], r"\[search\] loggers has 'mlfow'; have .*Did you mean 'mlflow'\?"),
        (["mlflow", "mlflow"], r"\[search\] loggers must name each once; got \['mlflow', 'mlflow'\], change it"),
    ],
)
def test_names_that_cannot_be_are_refused(names: list[str], message: str):
    with pytest.raises(SettingsError, match=message):
        refuse_unknown(names, "search")
