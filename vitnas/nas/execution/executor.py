"""Executors: apply one function to many items, in this process or in Ray workers, with the same results."""

from __future__ import annotations

import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from vitnas.errors import SearchError, VitnasError
from vitnas.extras import missing

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
    """Maps a function over items; a failing item is tried again and never stops the others.

    Attributes:
        torch_device: where functions that compute with torch shall do so, by its name; known after `start`.
        timeout_s: the longest that one item may take, if there is such a limit.
    """

    torch_device: str = "cpu"
    timeout_s: float | None = None

    def start(self) -> None:  # noqa: B027
        """Finds out at once whether there is anything to work with; otherwise the first items do."""

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

    def __init__(self, torch_device: str = "cpu") -> None:
        self.torch_device = torch_device

    def as_completed(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, Outcome[R]]]:
        for position, item in enumerate(items):
            tries = 0
            error: str | None = "never tried"
            while error is not None and tries < TRIES:
                tries += 1
                value, error, seconds = attempt(function, item)
            yield position, Outcome(value, error, seconds, tries)

    def close(self) -> None:
        pass


def attempt(function: Callable[[T], R], item: T) -> tuple[R | None, str | None, float]:
    """One try: the value or what went wrong, and the seconds it took. A package that is missing ends all tries."""
    start = time.perf_counter()
    try:
        value, error = function(item), None
    except VitnasError as problem:
        value, error = None, f"{type(problem).__name__}: {problem}"
    except ModuleNotFoundError as problem:
        raise missing(problem) or problem from None
    except Exception as problem:
        # What failed is another's code: where it happened helps more than the message alone.
        place = traceback.extract_tb(problem.__traceback__)[-1]
        value, error = None, f"{type(problem).__name__}: {problem} (in {place.name}, line {place.lineno})"
    return value, error, time.perf_counter() - start
