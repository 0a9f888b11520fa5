"""The conversation with a page: it asks for a job, does it, and hands in the answer as it asks for the next."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from vitnas.errors import DeviceError

WAIT_S = 20.0
"""How long a page is kept waiting for a job before it asks again."""
SILENT_S = 30.0
"""A page that neither answers nor says that it is at work for so long is gone; it says so every few seconds."""

_UNPRINTABLE = re.compile(r"[^ -~]")
"""What a terminal may take for more than a letter."""
Text = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[ -~]*$")]
Job = dict[str, Any]


class BrowserFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a browser tells of itself.

    Attributes:
        browser: name and version.
        engine: what executes scripts and WebAssembly.
        system: as far as it is told.
        model: of a phone or tablet; most others keep it to themselves.
        processor: its architecture, as far as it is told.
        gpu: what draws.
        cores: that the browser sees, or admits.
        isolated: whether the page may share memory between threads.
        webgpu: whether networks can run on the GPU.
        clock_ms: the smallest step of its clock.
    """

    browser: Text
    engine: Text
    system: Text
    model: Text
    processor: Text
    gpu: Text
    cores: Annotated[int, msgspec.Meta(ge=0, le=4096)]
    isolated: bool
    webgpu: bool
    clock_ms: Annotated[float, msgspec.Meta(ge=0, le=1000)]


class Turn(msgspec.Struct, forbid_unknown_fields=True):
    """A page asks for its next job.

    Attributes:
        page: which page, as it was told when it said hello.
        number: of the job that it has done, 0 before the first.
        ms: what the job's calls took together.
        error: why it could not be done.
    """

    page: str
    number: int = 0
    ms: Annotated[float, msgspec.Meta(ge=0, le=1e9)] | None = None
    error: Annotated[str, msgspec.Meta(max_length=4000)] | None = None


class PageLost(Exception):  # noqa: N818 -- no error: the page may come back
    """The page was closed, reloaded or put to sleep; what it had loaded is gone."""


class Conversation:
    """One page at a time does what is asked; threads of a server bring its words, the measuring thread asks."""

    def __init__(self, admit: Callable[[BrowserFacts], str | None]) -> None:
        """Nobody is there yet.

        Args:
            admit: says why a browser cannot take part; None where it can.
        """
        self.facts: BrowserFacts | None = None
        self._admit = admit
        self._changed = threading.Condition()
        self._page = ""
        self._heard = 0.0
        self._number = 0
        self._job: Job | None = None
        self._answer: Turn | None = None
        self._ended = ""

    # What pages say; each runs in a thread of the server.

    def hello(self, said: Any) -> Job:
        """A page begins; it takes the place of one that was there."""
        facts = msgspec.convert(said, BrowserFacts)
        with self._changed:
            if why := self._another(facts) or self._admit(facts):
                return {"refused": why}
            self.facts = self.facts or facts
            self._page = secrets.token_hex(8)
            self._job = self._answer = None  # what the page before was asked is lost with it
            self._heard = time.monotonic()
            self._changed.notify_all()
            return {"page": self._page}

    def alive(self, said: Any) -> Job:
        """A page is still at work on a long job."""
        turn = msgspec.convert(said, Turn)
        with self._changed:
            if turn.page == self._page:
                self._heard = time.monotonic()
            return {}

    def bye(self, said: Any) -> Job:
        """A page is closed or left; one that is only killed is missed by its silence."""
        turn = msgspec.convert(said, Turn)
        with self._changed:
            if turn.page == self._page:
                self._page = ""
                self._changed.notify_all()
            return {}

    def turn(self, said: Any) -> Job:
        """Takes the answer to one job and gives the next, as soon as there is one."""
        turn = msgspec.convert(said, Turn)
        with self._changed:
            if not self._page or turn.page != self._page:
                return self._over() or {"do": "over" if self._page else "hello"}
            self._heard = time.monotonic()
            if self._job is not None and turn.number == self._number:
                self._answer, self._job = turn, None
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._ended or self._job is not None or turn.page != self._page, timeout=WAIT_S
            )
            if turn.page != self._page:
                return self._over() or {"do": "over"}
            self._heard = time.monotonic()
            return self._over() or (self._job if self._job is not None else {"do": "wait"})

    def _another(self, facts: BrowserFacts) -> str | None:
        """Figures of two browsers never mix. The step of the clock is itself measured, so it may differ."""
        begun = self.facts
        if begun is None or facts == msgspec.structs.replace(begun, clock_ms=facts.clock_ms):
            return None
        return (
            f"This measurement was begun in {begun.browser} on {' '.join(filter(None, (begun.system, begun.model)))}. Open "
            "the page there, or end the command and begin anew."
        )

    def _over(self) -> Job | None:
        return {"do": "end", "say": self._ended} if self._ended else None

    # What the measuring thread asks.

    def wait_for_page(self) -> BrowserFacts:
        """Waits until a browser is there that can take part."""
        with self._changed:
            while not self._page:
                self._changed.wait(1.0)  # in short waits, so that signals are heard
            assert self.facts is not None
            return self.facts

    def ask(self, job: Job) -> float:
        """The milliseconds that a page answers to a job."""
        with self._changed:
            if not (page := self._page):
                raise PageLost
            self._number += 1
            self._job, self._answer = {**job, "number": self._number}, None
            self._changed.notify_all()
            while self._page != page or self._answer is None:
                if self._page != page or time.monotonic() - self._heard > SILENT_S:
                    self._page = "" if self._page == page else self._page
                    self._job = None
                    raise PageLost
                self._changed.wait(1.0)
            answer, self._answer = self._answer, None
        if answer.error is not None:
            told = _UNPRINTABLE.sub("?", " ".join(answer.error.split()))[:500]
            raise DeviceError(f"the browser could not {job['do']} '{job.get('name', '')}': {told}")
        return answer.ms or 0.0

    def end(self, say: str) -> None:
        """Tells the page that it may rest; what it asks from now on gets no other answer."""
        with self._changed:
            self._ended = say
            self._changed.notify_all()
