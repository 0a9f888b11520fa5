"""What a logger is: told of a run once, of its numbers as they come, and of the files that it leaves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from vitnas.extras import require


@dataclass(frozen=True)
class LoggedRun:
    """What a logger is told of a run.

    Attributes:
        kind: what is done: "train", "search" or "export".
        name: by which people know it.
        folder: where a logger may keep files of its own.
        parameters: the settings, by their keys with those of their tables before them; no password is among them.
        step: after which the run goes on; 0 at its beginning.
        id: by which this logger knew it before.
    """

    kind: str
    name: str
    folder: Path
    parameters: Mapping[str, str | float] = field(default_factory=dict)
    step: int = 0
    id: str | None = None


class Logger(ABC):
    """One place where numbers go. A new one is a file with a subclass and a line in `LOGGERS`.

    It may raise whatever it likes: it is then left out, with a warning, and the run goes on. A step that is told again,
    by a run that was killed and goes on, is written once where the place allows it.

    Attributes:
        package: that it needs, as Python imports it.
        id: by which the place finds the same run again; None where the folder says it.
        place: where the numbers are, for people.
    """

    package: ClassVar[str] = ""
    id: str | None = None
    place: str

    @abstractmethod
    def __init__(self, run: LoggedRun) -> None:
        """Opens a run, or goes on with the one of this id."""

    @classmethod
    def check(cls) -> None:
        """Refuses to be named where its package is missing."""
        if cls.package:
            require(cls.package)

    @abstractmethod
    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """Takes what was seen at a step."""

    def artefact(self, path: Path) -> None:  # noqa: B027 -- nothing is the default
        """Keeps a file or a folder; what draws curves alone keeps none."""

    @abstractmethod
    def close(self, finished: bool) -> None:
        """The run ends, or stops before its end to go on later."""
