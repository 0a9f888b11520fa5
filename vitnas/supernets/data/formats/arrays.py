"""Arrays of numpy: an .npz file, or a folder with images.npy and labels.npy, which is mapped and not read."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.data.formats.array_files import Array, Npz, map_npy
from vitnas.supernets.data.formats.folders import place_of, stamp_of
from vitnas.supernets.data.formats.format import Format, judges, with_judges
from vitnas.supernets.data.images import Pixels
from vitnas.supernets.data.pictures import Files, Pictures
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.data.truths import IGNORED, Truth
from vitnas.supernets.data.truths.labelled import Labelled
from vitnas.supernets.data.truths.masks import ArrayMasks
from vitnas.supernets.settings.data import DataSettings

IMAGES, LABELS = "images.npy", "labels.npy"
PAIRS = (("x_train", "y_train"), ("train_images", "train_labels"), ("x", "y"), ("images", "labels"))


class JpegFiles(Files):
    """Many JPEG files end to end in one array; file i goes from offset[i] to offset[i + 1]."""

    def __init__(self, data: NDArray[np.uint8], offsets: NDArray[np.int64], place: Hashable, stamp: str) -> None:
        self._data, self._offsets, self._place, self._stamp = data, offsets, place, stamp

    def read(self, row: int) -> bytes:
        return self._data[self._offsets[row] : self._offsets[row + 1]].tobytes()

    def name(self, row: int) -> str:
        return f"image {row}"

    def place(self, row: int) -> Hashable:
        return self._place, int(self._offsets[row])

    def stamp(self, row: int) -> str:
        return f"{self._stamp} {self._offsets[row]}"


class Arrays(Format):
    """x_train, y_train and x_test, y_test; or x and y; gray or coloured, channels first or last, uint8 or 0..1.

    Labels are one number an image, a row of 0 and 1, or a mask.
    """

    answers = (CLASS, "labels", "mask")

    def recognises(self, place: str) -> bool:
        path = Path(place)
        return path.suffix in (".npz", ".npy") or (path / IMAGES).is_file()

    def open(self, place: str, settings: DataSettings) -> Splits:
        path = Path(place)
        if path.suffix == ".npz":
            return _from_npz(path, settings)
        images = path / IMAGES if path.is_dir() else path
        labels = images.with_name(LABELS)
        if not labels.is_file():
            raise DataError(f"'{images}' needs its labels beside it, in a file '{LABELS}'; write them there")
        return _split(map_npy(images), map_npy(labels), str(images), place_of(images.stat()), settings)


def _from_npz(path: Path, settings: DataSettings) -> Splits:
    arrays = Npz(path)
    with closing(arrays):
        names = list(arrays)
        if {"jpeg_train", "offset_train", "y_train"} <= set(names):
            return _splits(arrays, path, ("jpeg_train", "y_train"), settings)
        for images, labels in PAIRS:
            if images in names and labels in names:
                return _splits(arrays, path, (images, labels), settings)
    raise DataError(
        f"'{path}' holds arrays {names}; it needs x_train and y_train (and x_test, y_test, where there are any), "
        f"or x and y; rename them"
    )


def _splits(arrays: Mapping[str, Array], path: Path, names: tuple[str, str], settings: DataSettings) -> Splits:
    """The training images of these names, and validation and test images of names to match, if they are there."""

    def others(splits: tuple[str, ...]) -> Callable[[], Splits] | None:
        for split in splits:
            there = (names[0].replace("train", split), names[1].replace("train", split))
            if there != names and set(there) <= set(arrays):
                return lambda: _named(arrays, path, there, settings)
        return None

    val, test = judges(settings)
    return with_judges(_named(arrays, path, names, settings), others(val), others(test), str(path))


def _named(arrays: Mapping[str, Array], path: Path, names: tuple[str, str], settings: DataSettings) -> Splits:
    where, place = f"'{path}', {names[0]}", (place_of(path.stat()), names[0])
    try:
        images, labels = arrays[names[0]], arrays[names[1]]
        if not names[0].startswith("jpeg"):
            return _split(images, labels, where, place, settings)
        offsets = arrays[names[0].replace("jpeg", "offset")]
    except KeyError as error:
        raise DataError(f"{where}: there is no array {error}; add it") from None
    y, classes, truth = _truths(labels, len(labels) if labels.ndim else 0, where, settings)
    if images.dtype != np.uint8 or images.ndim != 1:
        raise DataError(f"{where}: files end to end are one row of uint8; got {images.dtype} of shape {images.shape}")
    whole = offsets.shape == (len(y) + 1,) and offsets.dtype.kind in "iu"
    if not whole or (offsets[1:] < offsets[:-1]).any() or offsets[0] < 0 or offsets[-1] > len(images):
        raise DataError(f"{where}: {len(y)} labels need {len(y) + 1} rising offsets; check the offsets")
    files = JpegFiles(images, offsets.astype(np.int64), place, f"{stamp_of(path.stat())} {names[0]}")
    return Splits(Pictures.of(files, y, where, settings.max_damaged, truth), None, classes)


def _split(images: Array, labels: Array, where: str, place: Hashable, settings: DataSettings) -> Splits:
    x = _channels_first(images, where)
    y, classes, truth = _truths(labels, len(x), where, settings)
    if x.dtype != np.uint8:
        _check_floats(x, where)
    if isinstance(truth, ArrayMasks) and truth.classes.shape[1:] != x.shape[2:]:
        raise DataError(
            f"{where}: images of {x.shape[2:]} and masks of {truth.classes.shape[1:]} pixels; each mask must be as large as its image"
        )
    return Splits(replace(Pixels.of(x, y, truth=truth), place=place), None, classes)


def _truths(
    labels: Array, num_images: int, where: str, settings: DataSettings
) -> tuple[NDArray[np.int64], tuple[str, ...], Truth | None]:
    """What images are divided by, the names of classes, and what is known besides."""
    if settings.answer == CLASS:
        return *_labels(labels, num_images, where), None
    if len(labels) != num_images or not len(labels):
        raise DataError(
            f"{where}: {num_images} images and {len(labels)} rows of truth; each image needs one; check the file"
        )
    truth: Truth
    if settings.answer == "labels":
        truth, number = _labelled(labels, where), labels.shape[1]
    else:
        truth, number = _masks(labels, where, settings.ignore_index)
    return truth.strata(), tuple(str(label) for label in range(number)), truth


def _labelled(y: Array, where: str) -> Labelled:
    if y.ndim != 2 or y.dtype.kind not in "biu" or not np.isin(y, (0, 1)).all():
        raise DataError(
            f"{where}: labels must be 0 and 1, a row an image and a column a label; got {y.dtype} of shape {y.shape}; convert them"
        )
    if len(lacking := np.flatnonzero(~y.any(axis=0))):
        raise DataError(f"{where}: no image has label {lacking[0]}, so it cannot be learnt; remove its column")
    return Labelled(y.astype(np.uint8))


def _masks(y: Array, where: str, ignore: int) -> tuple[ArrayMasks, int]:
    if y.ndim != 3 or y.dtype.kind not in "iu":
        raise DataError(
            f"{where}: masks must be whole numbers of shape (N, H, W), the class of every pixel; got {y.dtype} of shape {y.shape}"
        )
    found = np.unique(y)
    classes = found[found != ignore]
    if not len(classes) or classes[0] < 0 or classes[-1] >= IGNORED:
        raise DataError(
            f"{where}: classes of pixels count from 0 to {IGNORED - 1}, and {ignore} is ignored; got {found[:5].tolist()} to "
            f"{found[-1]}; number them anew, or give [data] ignore_index"
        )
    masks = y.astype(np.uint8)
    if ignore != IGNORED:
        masks[np.asarray(y) == ignore] = IGNORED
    return ArrayMasks(masks), int(classes[-1]) + 1


def _channels_first(x: Array, where: str) -> Array:
    """A view of shape (N, C, H, W). The axis of channels is the one that is not as long as the two others."""
    if 0 in x.shape[1:]:
        raise DataError(f"{where}: images of shape {x.shape[1:]} have no pixels; write the file anew")
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4:
        _, a, b, c = x.shape
        if b == c and a in (1, 3):
            return x
        if (a == b and c in (1, 3)) or (c in (1, 3) and a not in (1, 3)):
            return x.transpose(0, 3, 1, 2)
        if a in (1, 3) and c not in (1, 3):
            return x
    raise DataError(
        f"{where}: images of shape {x.shape}; it must be (N, H, W), (N, C, H, W) or (N, H, W, C) with 1 or 3 channels; "
        f"reshape them"
    )


def _check_floats(x: Array, where: str) -> None:
    if x.dtype.kind != "f":
        raise DataError(f"{where}: images must be uint8, or floats in 0..1; got {x.dtype}; convert them")
    some = x[:: max(1, len(x) // 1000)]
    low, high = (float(some.min()), float(some.max())) if some.size else (0.0, 0.0)
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"{where}: floats must lie in 0..1; got {low:.3g} to {high:.3g}; bring them there, or save uint8"
        )


def _labels(y: Array, num_images: int, where: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise DataError(
            f"{where}: labels must be whole numbers, one an image; got {y.dtype} of shape {y.shape}; convert them"
        )
    if len(y) != num_images or not len(y):
        raise DataError(f"{where}: {num_images} images and {len(y)} labels; each image needs one label; check the file")
    if y.min() < 0:
        raise DataError(f"{where}: labels count from 0; got {y.min()}; number the classes anew")
    found = np.unique(y)
    if len(found) <= found[-1]:
        lacking = np.setdiff1d(np.arange(len(found) + 5), found)[:5].tolist()
        raise DataError(
            f"{where}: labels go up to {found[-1]}, but {[n for n in lacking if n < found[-1]]} have no image; "
            f"number the classes from 0 without gaps"
        )
    return y.astype(np.int64), tuple(str(label) for label in range(len(found)))
