"""Formats, one file each: the ways in which images with labels lie on a disk."""

from __future__ import annotations

from vitnas.registry import Registry
from vitnas.supernets.data.formats.format import Format

FORMATS: Registry[type[Format]] = Registry(
    "data format",
    "vitnas.formats",
    {
        "arrays": "vitnas.supernets.data.formats.arrays:Arrays",
        "huggingface": "vitnas.supernets.data.formats.huggingface:HuggingFace",
        "image-folder": "vitnas.supernets.data.formats.image_folder:ImageFolder",
        "label-table": "vitnas.supernets.data.formats.label_table:LabelTable",
        "mask-folder": "vitnas.supernets.data.formats.mask_folder:MaskFolder",
        "webdataset": "vitnas.supernets.data.formats.webdataset:WebDataset",
    },
)
"""Ways in which data sets lie at a path."""

__all__ = ["FORMATS", "Format"]
