"""Data sets: images with labels, split and normalised, by name or from where they lie."""

from __future__ import annotations

from vitnas.supernets.data.dataset import Dataset
from vitnas.supernets.data.images import Images, Pixels
from vitnas.supernets.data.load import DATASETS, dataset_of, load_dataset
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits

__all__ = ["DATASETS", "DataSettings", "Dataset", "Images", "Pixels", "Splits", "dataset_of", "load_dataset"]
