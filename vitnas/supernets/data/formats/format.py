"""Format: a way in which images with labels lie on a disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from vitnas.errors import DataError
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.splits import Splits
from vitnas.supernets.settings.data import DataSettings

TRAIN = ("train", "training")
VAL = ("val", "valid", "validation")
TEST = ("test", "testing")
"""What people call their splits; the first that is there is taken."""


class UnlabelledError(DataError):
    """Images without labels, as published tests have them."""


def judges(settings: DataSettings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What splits are called that validate and that test; where no test is kept, those called test validate."""
    return (VAL, TEST) if settings.test_share != 0 else (VAL + TEST, ())


class Format(ABC):
    """One way to lay out images. Subclasses read; `load_dataset` divides, measures and checks."""

    answers: ClassVar[tuple[str, ...]] = (CLASS,)
    """What networks can learn to answer from data that lie so."""

    @abstractmethod
    def recognises(self, place: str) -> bool:
        """Whether what lies there looks like this; a few looks at names, no reading."""

    @abstractmethod
    def open(self, place: str, settings: DataSettings) -> Splits:
        """What lies there."""


def folder_of_split(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The subfolder of one of these names, if there is one."""
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def with_judges(
    train: Splits, val: Callable[[], Splits] | None, test: Callable[[], Splits] | None, where: str
) -> Splits:
    """Places that are read apart, as one: classes are numbered as those of `train`; a test without labels is none."""
    found = train
    if val is not None:
        found = replace(found, val=alike(train, val(), "validation", where))
    if test is not None:
        with suppress(UnlabelledError):
            found = replace(found, test=alike(train, test(), "test", where))
    return found


def alike(train: Splits, other: Splits, what: str, where: str) -> Images:
    """The images of another place, its classes numbered as those of `train`."""
    strange = [name for name in other.classes if name not in train.classes]
    lacking = [name for name in train.classes if name not in other.classes]
    if strange or lacking:
        odd = f"classes {strange[:5]} that training lacks" if strange else f"no class {lacking[:5]}"
        raise DataError(
            f"{where}: training images have {len(train.classes)} classes, and {what} images {len(other.classes)}, "
            f"with {odd}; give both the same classes"
        )
    place = {name: i for i, name in enumerate(train.classes)}
    return other.train.relabelled([place[name] for name in other.classes])
