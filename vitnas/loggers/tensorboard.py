"""TensorBoard: events in the folder of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vitnas.extras import load
from vitnas.files import refuse_link, writing
from vitnas.loggers.logger import LoggedRun, Logger


class TensorBoard(Logger):
    """Curves; those beyond the step that a run resumes from are hidden, for they will come again."""

    package = "tensorboard"

    def __init__(self, run: LoggedRun) -> None:
        self._folder, self._step = run.folder / "tensorboard", run.step
        self._writer: Any = None
        self.place = f"TensorBoard events in {self._folder}"
        with writing(self._folder):
            refuse_link(self._folder)

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        if self._writer is None:  # which makes the folder
            writer = load("torch.utils.tensorboard").SummaryWriter
            self._writer = writer(str(self._folder), purge_step=self._step + 1)
        for name, number in values.items():
            self._writer.add_scalar(name, number, step)

    def close(self, finished: bool) -> None:
        if self._writer is not None:
            self._writer.close()
