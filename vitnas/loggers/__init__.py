"""Where teams keep their metrics, one file each; the files of vitnas have them in any case."""

from __future__ import annotations

from vitnas.loggers.logger import LoggedRun, Logger
from vitnas.registry import Registry

LOGGERS: Registry[type[Logger]] = Registry(
    "logger",
    "vitnas.loggers",
    {
        "mlflow": "vitnas.loggers.mlflow:MLflow",
        "tensorboard": "vitnas.loggers.tensorboard:TensorBoard",
        "wandb": "vitnas.loggers.wandb:WandB",
    },
)

__all__ = ["LOGGERS", "LoggedRun", "Logger"]
