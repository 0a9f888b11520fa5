"""The conversation with a page: jobs in order, each answered once, whatever pages come, go or answer late."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from tests.latency_lut.browser.player import FACTS
from vitnas.errors import DeviceError
from vitnas.latency_lut.browser import conversation
from vitnas.latency_lut.browser.conversation import Conversation, PageLost


@pytest.fixture
def talk(monkeypatch: pytest.MonkeyPatch) -> Conversation:
    monkeypatch.setattr(conversation, "WAIT_S", 0.2)
    return Conversation(lambda facts: None if facts.isolated else "not isolated")


def asked(talk: Conversation, job: dict[str, Any]) -> Any:
    """A job in a thread of its own; `result` is what the page answers."""
    pool = ThreadPoolExecutor(1)
    found = pool.submit(talk.ask, job)
    pool.shutdown(wait=False)
    return found


def test_a_page_does_one_job_after_the_other(talk: Conversation) -> None:
    page = talk.hello(FACTS)["page"]
    assert talk.turn({"page": page}) == {"do": "wait"}
    done: dict[str, Any] = {}
    for took in (1.5, 2.5):
        found = asked(talk, {"do": "run", "name": "n", "runs": 3})
        job = talk.turn({"page": page, **done})
        assert (job["do"], job["name"], job["runs"]) == ("run", "n", 3)
        done = {"number": job["number"], "ms": took}
        threading.Timer(0.05, talk.turn, [{"page": page, **done}]).start()
        assert found.result(5) == took


def test_a_job_that_was_lost_on_the_way_is_given_again(talk: Conversation) -> None:
    page = talk.hello(FACTS)["page"]
    found = asked(talk, {"do": "run"})
    first = talk.turn({"page": page})
    assert talk.turn({"page": page}) == first
    assert talk.turn({"page": page, "number": first["number"] - 1, "ms": 9.0}) == first  # an answer to another job
    talk.turn({"page": page, "number": first["number"], "ms": 1.0})
    assert found.result(5) == 1.0


def test_an_error_of_the_page_names_the_job(talk: Conversation) -> None:
    page = talk.hello(FACTS)["page"]
    found = asked(talk, {"do": "load", "name": "network-3.onnx"})
    job = talk.turn({"page": page})
    talk.turn({"page": page, "number": job["number"], "error": "out\nof\x1b[2Jmemory \u202e"})
    with pytest.raises(DeviceError, match=r"could not load 'network-3.onnx': out of\?\[2Jmemory \?$"):
        found.result(5)


def test_a_page_that_is_opened_again_takes_over(talk: Conversation) -> None:
    old = talk.hello(FACTS)["page"]
    found = asked(talk, {"do": "run"})
    job = talk.turn({"page": old})
    new = talk.hello(FACTS | {"clock_ms": 0.1})["page"]
    with pytest.raises(PageLost):
        found.result(5)
    assert talk.turn({"page": old, "number": job["number"], "ms": 1.0}) == {"do": "over"}
    assert talk.turn({"page": new}) == {"do": "wait"}  # and not what the old page was asked


def test_a_page_that_says_goodbye_is_gone_at_once(talk: Conversation) -> None:
    page = talk.hello(FACTS)["page"]
    found = asked(talk, {"do": "run"})
    talk.bye({"page": "another"})
    job = talk.turn({"page": page})
    talk.bye({"page": page})
    with pytest.raises(PageLost):
        found.result(5)
    assert talk.turn({"page": page, "number": job["number"]}) == {
        "do": "hello"
    }  # it came back from where browsers keep pages


def test_a_silent_page_is_gone_and_may_come_back(talk: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "SILENT_S", 0.3)
    page = talk.hello(FACTS)["page"]
    found = asked(talk, {"do": "run"})
    job = talk.turn({"page": page})
    for _ in range(3):  # at work, and says so
        time.sleep(0.2)
        talk.alive({"page": page})
    assert not found.done()
    with pytest.raises(PageLost):
        found.result(5)
    assert talk.turn({"page": page, "number": job["number"], "ms": 1.0}) == {"do": "hello"}
    with pytest.raises(PageLost):
        talk.ask({"do": "run"})
    assert "page" in talk.hello(FACTS)


def test_another_browser_is_refused(talk: Conversation) -> None:
    talk.hello(FACTS | {"model": "Pixel 8"})
    refused = talk.hello(FACTS)["refused"]
    assert "begun in Player 1.0 on Testland 1 Pixel 8" in refused
    assert talk.hello(FACTS | {"isolated": False})["refused"]
    assert Conversation(lambda facts: "no").hello(FACTS) == {"refused": "no"}


@pytest.mark.parametrize(
    "said",
    [None, [], {}, FACTS | {"more": 1}, FACTS | {"browser": "x" * 201}, FACTS | {"browser": "\x1b[2J"}, FACTS | {"cores": -1},
     FACTS | {"clock_ms": 1e9}, {k: v for k, v in FACTS.items() if k != "engine"}],
)  # fmt: skip
def test_facts_are_what_they_must_be(talk: Conversation, said: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        talk.hello(said)


@pytest.mark.parametrize("figures", [{"ms": -1.0}, {"ms": 1e12}, {"ms": "1"}, {"error": "x" * 5000}, {"number": 1.5}])
def test_answers_are_what_they_must_be(talk: Conversation, figures: dict[str, Any]) -> None:
    page = talk.hello(FACTS)["page"]
    with pytest.raises(msgspec.ValidationError):
        talk.turn({"page": page, **figures})


def test_whoever_is_there_at_the_end_is_told(talk: Conversation) -> None:
    page = talk.hello(FACTS)["page"]
    talk.end("done")
    assert talk.turn({"page": page}) == talk.turn({"page": "gone"}) == {"do": "end", "say": "done"}
