"""A folder of images and a folder of masks with the same names; also with train/, val/ and test/ above or below them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from vitnas.errors import DataError
from vitnas.supernets.data.formats.class_list import ClassList, read_class_list
from vitnas.supernets.data.formats.folders import image_names, place_of
from vitnas.supernets.data.formats.format import TRAIN, Format, folder_of_split, judges
from vitnas.supernets.data.formats.image_folder import PathFiles
from vitnas.supernets.data.formats.mask_files import MaskFiles
from vitnas.supernets.data.pictures import LOOKED_AT, Pictures
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.settings.data import DataSettings

IMAGES, MASKS = "images", "masks"


class MaskFolder(Format):
    """FOLDER/images/NAME.jpg and FOLDER/masks/NAME.png with FOLDER/classes.txt or classes.csv.

    Splits lie as FOLDER/train/images and FOLDER/train/masks, or as FOLDER/images/train and FOLDER/masks/train.
    """

    answers = ("mask",)

    def recognises(self, place: str) -> bool:
        root = Path(place)
        return any(_pair(part) for part in (root, *(root / name for name in TRAIN)))

    def open(self, place: str, settings: DataSettings) -> Splits:
        root = Path(place)
        classes = read_class_list(root)
        train, val, test = (_of_split(root, names) for names in (TRAIN, *judges(settings)))
        whole = (root / IMAGES, root / MASKS)

        def pictures(pair: tuple[Path, Path] | None) -> Pictures | None:
            return None if pair is None else _pictures(*pair, root, classes, settings)

        found = pictures(train or whole)
        assert found is not None
        return Splits(found, pictures(val) if train else None, classes.names, test=pictures(test) if train else None)


def _pair(root: Path) -> tuple[Path, Path] | None:
    """The folders of images and masks, where both are there."""
    images, masks = root / IMAGES, root / MASKS
    return (images, masks) if images.is_dir() and masks.is_dir() else None


def _of_split(root: Path, names: tuple[str, ...]) -> tuple[Path, Path] | None:
    above = folder_of_split(root, names)
    if above is not None:
        return _pair(above)
    images, masks = (folder_of_split(root / what, names) for what in (IMAGES, MASKS))
    return (images, masks) if images is not None and masks is not None else None


def _pictures(images: Path, masks: Path, root: Path, classes: ClassList, settings: DataSettings) -> Pictures:
    names, by_stem = image_names(images), {}
    for name in image_names(masks):
        stem = str(PurePosixPath(name).with_suffix(""))
        if stem in by_stem:
            raise DataError(f"'{masks}' has two masks called '{stem}'; an image has one mask, so remove one of the two")
        by_stem[stem] = name
    stems = [str(PurePosixPath(name).with_suffix("")) for name in names]
    if not names:
        raise DataError(
            f"'{images}' has no images; put them there, and their masks under the same names into '{masks}'"
        )
    if lacking := [name for name, stem in zip(names, stems, strict=True) if stem not in by_stem]:
        raise DataError(
            f"'{masks}' has no mask for {len(lacking)} of {len(names)} images, such as '{lacking[0]}'; add masks of the same name, or "
            "take the images out"
        )
    if alone := sorted(set(by_stem) - set(stems)):
        raise DataError(
            f"'{masks}' has {len(alone)} masks of no image, such as '{by_stem[alone[0]]}'; add the images, or take the masks out"
        )
    paths = tuple(images / name for name in names)
    truth = MaskFiles(
        paths,
        tuple(masks / by_stem[stem] for stem in stems),
        len(classes.names),
        settings.ignore_index,
        classes.colours,
    )
    for row in np.unique(np.linspace(0, len(names) - 1, min(LOOKED_AT, len(names))).astype(int)).tolist():
        truth.look(row)
    files = PathFiles(images, names, [place_of(path.stat()) for path in paths])
    return Pictures.of(files, truth.strata(), str(root), settings.max_damaged, truth)
