"""Packages that a part of vitnas needs: those that come with it, and those that an extra adds."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from vitnas.errors import MissingPackageError


@dataclass(frozen=True)
class Extra:
    """What ``pip install 'vitnas[NAME]'`` installs.

    Attributes:
        name: of the extra.
        distribution: the package that it installs.
        adds: what vitnas can do with it.
    """

    name: str
    distribution: str
    adds: str


CORE = (
    "torch",
    "numpy",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "coremltools",
    "fsspec",
    "matplotlib",
    "moocore",
    "optuna",
    "pandas",
    "pymoo",
    "pyarrow",
    "ray",
    "scipy",
)
"""What ``pip install vitnas`` brings and a bare installation may lack."""

EXTRAS = {
    "lightgbm": Extra("trees", "lightgbm", "the predictor trees, also as a candidate of auto"),
    "tensorboard": Extra("tensorboard", "tensorboard", "events for TensorBoard, of a training without being asked"),
    "mlflow": Extra("mlflow", "mlflow-skinny", "numbers and files of trainings, searches and exports in MLflow"),
    "wandb": Extra("wandb", "wandb", "numbers and files of trainings, searches and exports in Weights & Biases"),
    "openvino": Extra("openvino", "openvino", "the devices cpu-openvino and cpu-openvino-int8, and --format openvino"),
    "ai_edge_litert": Extra("litert", "ai-edge-litert", "the device cpu-litert"),
    "simplejpeg": Extra("jpeg", "simplejpeg", "[data] decoder = 'simplejpeg', which takes less time"),
    "timm": Extra("timm", "timm", "--init timm:NAME, teachers timm:NAME, and `vitnas estimate --timm NAME`"),
    "segno": Extra("browser", "segno", "a QR code beside the address of a page that --lan serves"),
    "psycopg": Extra("postgresql", "psycopg", "a PostgreSQL database for --storage"),
    "optuna_dashboard": Extra(
        "dashboard", "optuna-dashboard", "a look into the study of a search, linked from `vitnas dashboard`"
    ),
}
"""By the name under which Python imports the package."""


def installed(module: str) -> bool:
    """Whether a package can be imported, without importing it."""
    return find_spec(module) is not None


def require(module: str) -> None:
    """Refuses a package that is not installed, without importing it."""
    if not installed(module):
        error = ModuleNotFoundError(f"this needs the package {module}, which is not installed", name=module)
        raise missing(error) or error


def load(module: str) -> Any:
    """Imports a package of `CORE` or `EXTRAS`; one that is missing is an error that names its remedy."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise missing(error) or error from None


def missing(error: ModuleNotFoundError) -> MissingPackageError | None:
    """The error for people, if what could not be imported is a package of `CORE` or `EXTRAS`."""
    module = (error.name or "").partition(".")[0]
    if module in EXTRAS:
        extra = EXTRAS[module]
        return MissingPackageError(
            f"this needs the package {extra.distribution}, which is not installed; "
            f"`pip install 'vitnas[{extra.name}]'` adds it"
        )
    if module in CORE:
        return MissingPackageError(
            f"this needs the package {module}, which is not installed; `pip install vitnas` brings it, and what can be "
            "done without is in docs/bare.md"
        )
    return None
