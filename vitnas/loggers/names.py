"""The setting that names loggers: the same for training, search and export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from vitnas.errors import SettingsError, suggest
from vitnas.loggers import LOGGERS
from vitnas.settings import about

MEANING = "Where numbers go besides the files of vitnas: tensorboard, mlflow or wandb, see docs/logging.md"
LoggerNames = Annotated[tuple[str, ...], about(f"{MEANING}.")]


def refuse_unknown(names: Sequence[str], table: str) -> None:
    """Refuses names that no logger has, and one that is given twice, without importing any.

    Args:
        names: as a user wrote them.
        table: of the settings, for the message.
    """
    for name in names:
        if name not in LOGGERS:
            raise SettingsError(f"[{table}] loggers has '{name}'; {suggest(name, LOGGERS)}")
    if len(set(names)) < len(names):
        raise SettingsError(f"[{table}] loggers must name each once; got {list(names)}, change it")


def refuse_missing(names: Sequence[str]) -> None:
    """Refuses loggers whose package is not installed, before any work."""
    for name in names:
        LOGGERS.load(name).check()
