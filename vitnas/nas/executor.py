"""Executors: apply one function to many items, in this process or in Ray workers, with the same results."""

from __future__ import annotations

import os
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from vitnas.errors import SearchError, VitnasError
from vitnas.ray_cluster import connect

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3
"""How often an item is tried before it is given up."""


@dataclass(frozen=True)
class Outcome(Generic[R]):
    """What became of one item: a value, or the error of its last try."""

    value: R | None
    error: str | None
    seconds: float
    tries: int

    def get(self) -> R:
        """The value, or the error raised."""
        if self.error is not None:
            raise SearchError(f"given up after {self.tries} tries: {self.error}")
        return self.value  # type: ignore[return-value]


class Executor(ABC):
    """Maps a function over items; a failing item is tried again and never stops the others."""

    @abstractmethod
    def as_completed(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, Outcome[R]]]:
        """Yields the position of an item and its outcome as soon as it is there."""

    def map(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[Outcome[R]]:
        """Yields outcomes in the order of the items."""
        early: dict[int, Outcome[R]] = {}
        turn = 0
        for position, outcome in self.as_completed(function, items):
            early[position] = outcome
            while turn in early:
                yield early.pop(turn)
                turn += 1

    @abstractmethod
    def close(self) -> None:
        """Ends what was started; a later call starts anew."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class SerialExecutor(Executor):
    """One item after the other, here."""

    def as_completed(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, Outcome[R]]]:
        for position, item in enumerate(items):
            tries = 0
            error: str | None = "never tried"
            while error is not None and tries < TRIES:
                tries += 1
                value, error, seconds = _attempt(function, item)
            yield position, Outcome(value, error, seconds, tries)

    def close(self) -> None:
        pass


class RayExecutor(Executor):
    """Ray actors that each hold the function and work on one item at a time.

    A worker that dies, or works longer than `timeout_s` on an item, is replaced and the item tried again.
    A cluster that this executor started on this machine ends with it; one that it joined does not.
    """

    def __init__(self, workers: int, address: str | None = None, timeout_s: float | None = None) -> None:
        """Starts nothing yet.

        Args:
            workers: how many items are worked on at a time; each takes one core of the cluster.
            address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
            timeout_s: the longest that one item may take.
        """
        if workers < 1:
            raise SearchError(f"cannot work with {workers} workers; give at least 1")
        self.workers = workers
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._timeout_s = timeout_s
        self._started = False
        self._actors: list[Any] = []
        self._function: Callable[..., Any] | None = None
        self._function_ref: Any = None

    def as_completed(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, Outcome[R]]]:
        if not items:
            return
        self._connect()
        import ray

        self._hold(function)
        waiting = deque((position, 1) for position in range(len(items)))
        busy: dict[Any, _Task] = {}
        try:
            while waiting or busy:
                while waiting and (actor := self._idle(busy)) is not None:
                    position, tries = waiting.popleft()
                    busy[actor.attempt.remote(items[position])] = _Task(actor, position, tries, time.monotonic())
                pause = None if self._timeout_s is None else min(1.0, self._timeout_s / 4)
                ready, _ = ray.wait(list(busy), num_returns=1, timeout=pause)
                late = [ref for ref, task in busy.items() if ref not in ready and self._is_late(task)]
                for ref in (*ready, *late):
                    task = busy.pop(ref)
                    outcome = self._collect(ref, task) if ref in ready else self._give_up_on(task)
                    if outcome.error is not None and task.tries < TRIES:
                        waiting.appendleft((task.position, task.tries + 1))
                    else:
                        yield task.position, outcome
        finally:
            for task in busy.values():  # the caller stopped listening
                self._drop(task.actor)

    def close(self) -> None:
        import ray

        for actor in list(self._actors):
            self._drop(actor)
        self._function = self._function_ref = None
        if self._started:
            ray.shutdown()
            self._started = False

    def _connect(self) -> None:
        self._started |= connect(self.workers, self._address, SearchError)

    def _hold(self, function: Callable[..., Any]) -> None:
        """Sends a function to the object store once; workers that hold an older one end."""
        if function is self._function:
            return
        import ray

        for actor in list(self._actors):
            self._drop(actor)
        try:
            self._function_ref = ray.put(function)
        except Exception as error:
            raise SearchError(f"{function!r} cannot be sent to workers: {error}") from None
        self._function = function

    def _idle(self, busy: dict[Any, _Task]) -> Any | None:
        working = [task.actor for task in busy.values()]
        for actor in self._actors:
            if all(actor is not other for other in working):
                return actor
        if len(self._actors) == self.workers:
            return None
        import ray

        self._actors.append(ray.remote(num_cpus=1, max_restarts=0)(_Worker).remote(self._function_ref))
        return self._actors[-1]

    def _is_late(self, task: _Task) -> bool:
        return self._timeout_s is not None and time.monotonic() - task.since > self._timeout_s

    def _collect(self, ref: Any, task: _Task) -> Outcome[Any]:
        import ray

        try:
            value, error, seconds = ray.get(ref)
        except ray.exceptions.RayTaskError as failure:
            return Outcome(None, f"the result cannot be sent back: {failure.cause}", task.seconds, task.tries)
        except ray.exceptions.RayError as failure:
            self._drop(task.actor)
            reason = str(failure).strip().splitlines()[-1].strip()
            return Outcome(None, f"the worker died ({type(failure).__name__}: {reason})", task.seconds, task.tries)
        return Outcome(value, error, seconds, task.tries)

    def _give_up_on(self, task: _Task) -> Outcome[Any]:
        self._drop(task.actor)
        return Outcome(None, f"took longer than {self._timeout_s:g} s", task.seconds, task.tries)

    def _drop(self, actor: Any) -> None:
        import ray

        self._actors = [other for other in self._actors if other is not actor]
        with suppress(ray.exceptions.RayError, ValueError):
            ray.kill(actor)


@dataclass
class _Task:
    actor: Any
    position: int
    tries: int
    since: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class _Worker:
    """Lives in a Ray process and holds the function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def attempt(self, item: Any) -> tuple[Any, str | None, float]:
        return _attempt(self._function, item)


def make_executor(workers: int, address: str | None = None) -> Executor:
    """Serial for one worker without a cluster, else Ray."""
    return SerialExecutor() if workers == 1 and address is None else RayExecutor(workers, address)


def _attempt(function: Callable[[T], R], item: T) -> tuple[R | None, str | None, float]:
    start = time.perf_counter()
    try:
        value, error = function(item), None
    except VitnasError as problem:
        value, error = None, f"{type(problem).__name__}: {problem}"
    except Exception as problem:
        # What failed is another's code: where it happened helps more than the message alone.
        place = traceback.extract_tb(problem.__traceback__)[-1]
        value, error = None, f"{type(problem).__name__}: {problem} (in {place.name}, line {place.lineno})"
    return value, error, time.perf_counter() - start
