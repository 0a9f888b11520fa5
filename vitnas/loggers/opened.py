"""The loggers of one run, together: each is found again when the run goes on, and none can stop it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from vitnas.errors import DataError, LoggerError, VitnasError
from vitnas.files import read_json, write_json
from vitnas.interruption import behind, postponed
from vitnas.loggers import LOGGERS, LoggedRun, Logger
from vitnas.loggers.plain import hidden, numbers_of


class Loggers:
    """Tells all loggers of a run the same. One that fails is left out from then on, with a warning.

    Attributes:
        places: where the numbers go, a line for each logger.
    """

    def __init__(self, names: Sequence[str], run: LoggedRun, ids: Path | None = None) -> None:
        """Opens them; at the beginning of a run one that cannot be opened is an error.

        Args:
            names: of the loggers.
            run: what they are told of.
            ids: the file that keeps by which ids they know the run.
        """
        self._open: dict[str, Logger] = {}
        known = _known(ids) if ids is not None and names else {}
        for name in names:
            self._add(name, replace(run, id=known.get(name)))
        now = known | {name: logger.id for name, logger in self._open.items() if logger.id is not None}
        if ids is not None and now != known:
            write_json(ids, now)
        self.places = [f"numbers go to {logger.place}" for logger in self._open.values()]

    def _add(self, name: str, run: LoggedRun) -> None:
        try:
            self._open[name] = LOGGERS.load(name)(run)
        except VitnasError:
            raise
        except Exception as error:
            if behind(error) is not None:
                raise
            if not run.step and run.id is None:
                raise LoggerError(
                    f"logger '{name}' cannot be opened: {_first_line(error)}; see its part of docs/logging.md, or "
                    f"leave it out of loggers"
                ) from error
            self._leave_out(name, error)

    def numbers(self, step: int, values: Mapping[str, object]) -> None:
        """What was seen at a step; tables in it become parts of names."""
        found = dict(numbers_of(values))
        self._tell(lambda logger: logger.numbers(step, found))

    def artefact(self, path: Path) -> None:
        """A file or folder that the run leaves."""
        self._tell(lambda logger: logger.artefact(path))

    def close(self, finished: bool) -> None:
        """The run ends, or stops before its end."""
        self._tell(lambda logger: logger.close(finished))
        self._open.clear()

    def _tell(self, tell: Callable[[Logger], None]) -> None:
        """A signal waits until all are told: it may break off a library within, which then tells of another trouble."""
        if not self._open:
            return
        with postponed():
            for name, logger in list(self._open.items()):
                try:
                    tell(logger)
                except Exception as error:
                    del self._open[name]
                    self._leave_out(name, error)

    def _leave_out(self, name: str, error: Exception) -> None:
        warnings.warn(
            f"logger '{name}' fails and is left out from here on: {_first_line(error)}; the files of vitnas have all numbers",
            stacklevel=2,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(finished=error is None)


def _known(ids: Path) -> dict[str, str]:
    if not ids.exists():
        return {}
    found = read_json(ids)
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise DataError(f"'{ids}' does not hold ids of loggers; remove it, and they begin anew")
    return found


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {hidden(str(error)).partition(chr(10))[0]}"
