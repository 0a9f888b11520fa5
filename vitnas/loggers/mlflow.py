"""MLflow: a run in the experiment that its environment variables name, at the tracking server that they name."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vitnas import __version__
from vitnas.extras import load
from vitnas.loggers.logger import LoggedRun, Logger
from vitnas.loggers.plain import hidden

NO_KEY = re.compile(r"[^\w\-. /]")
"""What MLflow refuses in names, the "@" of our quantities among it."""
MOST = 100
"""Parameters of one request."""
LONGEST = 6000
"""Characters of a parameter."""


class MLflow(Logger):
    """Written by a client of its own: the active run of a notebook stays as it is."""

    package = "mlflow"

    def __init__(self, run: LoggedRun) -> None:
        mlflow, self._entities = load("mlflow"), load("mlflow.entities")
        self._client: Any = mlflow.MlflowClient()
        self._known: dict[str, int] | None = None
        if run.id is not None and self._is_there(run.id, mlflow.MlflowException):
            self.id, self._known = run.id, {}
            self._client.update_run(run.id, status="RUNNING")
        else:
            self.id = self._begin(run)
        self.place = f"MLflow run {self.id} at {hidden(mlflow.get_tracking_uri())}"

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        now = int(1000 * time.time())
        found = [(NO_KEY.sub("/", name), value) for name, value in values.items()]
        new = [self._entities.Metric(name, value, now, step) for name, value in found if step > self._last(name)]
        if new:
            self._client.log_batch(self.id, metrics=new, synchronous=True)

    def artefact(self, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(self.id, str(path), path.name)
        else:
            self._client.log_artifact(self.id, str(path))

    def close(self, finished: bool) -> None:
        self._client.set_terminated(self.id, "FINISHED" if finished else "KILLED")

    def _begin(self, run: LoggedRun) -> str:
        tags = {"mlflow.source.name": f"vitnas {__version__}", "vitnas.kind": run.kind}
        made: str = self._client.create_run(self._experiment(), run_name=run.name, tags=tags).info.run_id
        told = [
            self._entities.Param(NO_KEY.sub("/", name), str(value)[:LONGEST]) for name, value in run.parameters.items()
        ]
        for start in range(0, len(told), MOST):
            self._client.log_batch(made, params=told[start : start + MOST])
        return made

    def _experiment(self) -> str:
        """As MLflow's own functions choose it: by name, by id, or the one that every server has."""
        name, number = os.environ.get("MLFLOW_EXPERIMENT_NAME"), os.environ.get("MLFLOW_EXPERIMENT_ID")
        if name is None:
            return number or "0"
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found is not None else self._client.create_experiment(name))

    def _is_there(self, number: str, refusal: type[Exception]) -> bool:
        """Whether this server has the run; the one before may have been another."""
        try:
            self._client.get_run(number)
        except refusal as error:
            if getattr(error, "error_code", None) != "RESOURCE_DOES_NOT_EXIST":
                raise
            return False
        return True

    def _last(self, name: str) -> int:
        """The last step of a curve that a resumed run left: the server keeps what it is told twice."""
        if self._known is None:
            return -1
        if name not in self._known:
            history = self._client.get_metric_history(self.id, name)
            self._known[name] = max((metric.step for metric in history), default=-1)
        return self._known[name]
