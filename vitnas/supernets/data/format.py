"""Format: a way in which images with labels lie on a disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from vitnas.errors import DataError
from vitnas.supernets.data.apart import check_apart
from vitnas.supernets.data.settings import DataSettings
from vitnas.supernets.data.splits import Splits

TRAIN = ("train", "training")
VAL = ("val", "valid", "validation", "test")
"""What people call their splits; the first that is there is taken."""


class Format(ABC):
    """One way to lay out images. Subclasses read; `load_dataset` divides, measures and checks."""

    @abstractmethod
    def recognises(self, place: str) -> bool:
        """Whether what lies there looks like this; a few looks at names, no reading."""

    @abstractmethod
    def open(self, place: str, settings: DataSettings) -> Splits:
        """What lies there."""


def folder_of_split(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The subfolder of one of these names, if there is one."""
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def pair(train: Splits, val: Splits, where: str) -> Splits:
    """Two places that were read apart, as one: the classes of `val` are numbered as those of `train`."""
    check_apart(where, train.train, val.train)
    strange = [name for name in val.classes if name not in train.classes]
    lacking = [name for name in train.classes if name not in val.classes]
    if strange or lacking:
        what = f"classes {strange[:5]} that training lacks" if strange else f"no class {lacking[:5]}"
        raise DataError(
            f"{where}: training images have {len(train.classes)} classes, and validation images {len(val.classes)}, "
            f"with {what}; give both the same classes"
        )
    place = {name: i for i, name in enumerate(train.classes)}
    return Splits(train.train, val.train.relabelled([place[name] for name in val.classes]), train.classes)
