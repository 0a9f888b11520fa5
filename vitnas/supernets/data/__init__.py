"""Data sets by name: images with labels, split and normalised."""

from __future__ import annotations

from collections.abc import Callable

from vitnas.registry import Registry
from vitnas.supernets.data.images import Dataset, Images

DATASETS: Registry[Callable[[], Dataset]] = Registry(
    "dataset",
    "vitnas.datasets",
    {
        "digits": "vitnas.supernets.data.digits:digits",
    },
)


def load_dataset(name: str) -> Dataset:
    return DATASETS.load(name)()


__all__ = ["DATASETS", "Dataset", "Images", "load_dataset"]
