"""Data sets: images with labels, split and normalised, by name or from where they lie."""

from __future__ import annotations

from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.format import Format
from vitnas.supernets.data.images import Images, Pixels
from vitnas.supernets.data.load import DATASETS, FORMATS, dataset_of, load_dataset, resolved
from vitnas.supernets.data.loader import Loader
from vitnas.supernets.data.pictures import Files, Pictures
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits

__all__ = [
    "DATASETS",
    "FORMATS",
    "DataSettings",
    "Dataset",
    "Files",
    "Format",
    "Images",
    "Loader",
    "Pictures",
    "Pixels",
    "Splits",
    "dataset_of",
    "load_dataset",
    "resolved",
]
