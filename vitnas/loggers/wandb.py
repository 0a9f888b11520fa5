"""Weights & Biases: a run in the project that its environment variables name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitnas.extras import load
from vitnas.loggers.logger import LoggedRun, Logger

NO_NAME = re.compile(r"[^\w\-.]")
"""What names of artefacts cannot hold."""


class WandB(Logger):
    """Steps that are told again are dropped by the service, which only moves on; offline nobody knows the step before."""

    package = "wandb"

    def __init__(self, run: LoggedRun) -> None:
        self._wandb: Any = load("wandb")
        self._run = self._wandb.init(
            id=run.id,
            resume="allow" if run.id is not None else None,
            name=run.name,
            job_type=run.kind,
            config=dict(run.parameters),
            reinit="create_new",  # beside one of a notebook
        )
        self.id = self._run.id
        self._kind, self._name = run.kind, run.name
        where = Path(self._run.dir).parent if self._run.offline else self._run.url
        self.place = f"Weights & Biases run {self.id} at {where}"

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def artefact(self, path: Path) -> None:
        self._run.log_artifact(str(path), NO_NAME.sub("-", f"{self._name}-{path.stem}"), self._kind)

    def close(self, finished: bool) -> None:
        self._run.finish(exit_code=0 if finished else 1)
