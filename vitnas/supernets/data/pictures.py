"""Images that lie encoded somewhere, as JPEG, PNG and the like, and are decoded when asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import DataError
from vitnas.extras import load
from vitnas.supernets.data.decoding import TooLargeError, UnreadableError, decode, decoded_by, look
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.kept.remembered import Remembered
from vitnas.supernets.data.kept.resized import Resized
from vitnas.supernets.data.truths import Truth
from vitnas.supernets.settings.data import DecoderName

USUAL_SIZE = 224
LOOKED_AT = 64
"""So many images say how large all of them are."""
LONGEST_NUMBER = 1000
"""Digits; Python reads no number that is much longer."""


class Files(ABC):
    """Encoded images by their number. Reading may happen in many threads at once.

    Attributes:
        travel: whether another process can be given a copy, which reads the images where they lie.
    """

    travel: ClassVar[bool] = True

    @abstractmethod
    def read(self, row: int) -> bytes:
        """The bytes of an image file; an `OSError` counts as damage."""

    @abstractmethod
    def name(self, row: int) -> str:
        """What people call it: a path or a key."""

    def place(self, row: int) -> Hashable:
        """What tells the real file, or its part, from every other of this machine; None where nothing does."""
        return None

    def stamp(self, row: int) -> str | None:
        """What changes with the bytes of an image, told without reading them; None where nothing tells."""
        return None


@dataclass(eq=False)
class Damage:
    """What could not be read of some files, and how much of that is put up with."""

    limit: int
    names: dict[int, str] = field(default_factory=dict)

    def add(self, row: int, name: str) -> None:
        self.names[row] = name
        if len(self.names) > self.limit:
            shown = ", ".join(list(self.names.values())[:5])
            raise DataError(
                f"{len(self.names)} images cannot be read, more than the limit of {self.limit}; among them {shown}. "
                f"Mend or remove them, or raise max_damaged in table [data]"
            )


@dataclass(frozen=True, eq=False, kw_only=True)
class Pictures(Images):
    """Images that are decoded on demand. One that is damaged is replaced by the next good one of the same split.

    Attributes:
        files: where they lie.
        damage: what turned out to be unreadable, of all splits.
        decoder: of those that are JPEG.
        kept: what was decoded before, if it is kept on disk.
        memory: what was decoded before, if it is kept in memory.
    """

    files: Files
    damage: Damage
    decoder: DecoderName = "pillow"
    kept: Resized | None = None
    memory: Remembered | None = None

    @classmethod
    def of(
        cls, files: Files, labels: NDArray[np.integer], where: str, max_damaged: float, truth: Truth | None = None
    ) -> Pictures:
        """All images of some files: of the size they have if that is one and square and not large, else of 224."""
        sizes, gray = [], True
        for row in np.unique(np.linspace(0, len(labels) - 1, min(LOOKED_AT, len(labels))).astype(int)).tolist():
            try:
                size, is_gray = look(files.read(row))
            except (UnreadableError, OSError):
                continue
            sizes.append(size)
            gray = gray and is_gray
        if not sizes:
            raise DataError(f"{where}: none of the images looked at can be read, such as {files.name(0)}; check them")
        width, _ = sizes[0]
        one_size = set(sizes) == {(width, width)} and width <= USUAL_SIZE
        channels = 1 if gray else 3
        return cls(
            files=files,
            damage=Damage(int(max_damaged * len(labels))),
            labels=labels.astype(np.int64),
            rows=np.arange(len(labels)),
            image_size=width if one_size else USUAL_SIZE,
            channels=channels,
            mean=(0.0,) * channels,
            std=(1.0,) * channels,
            truth=truth,
        )

    @property
    def damaged(self) -> tuple[str, ...]:
        mine = sorted(set(self.damage.names).intersection(self.rows.tolist())) if self.damage.names else ()
        return tuple(self.damage.names[row] for row in mine)

    def places(self) -> dict[Hashable, str]:
        found = {self.files.place(row): self.files.name(row) for row in self.rows.tolist()}
        found.pop(None, None)
        return found

    def stamp(self) -> str | None:
        stamps = [self.files.stamp(row) for row in self.rows.tolist()]
        return None if None in stamps else repr((self._made_by, self.image_size, self.channels, stamps))

    @property
    def _made_by(self) -> str:
        """What made the pixels, and how where that is not as usual."""
        return decoded_by(self.decoder) + (f", {self.fit}" if self.fit != "crop" else "")

    def decoded_by(self, decoder: DecoderName) -> Pictures:
        if decoder == "simplejpeg":
            load(decoder)  # or an error that says what installs it
        return replace(self, decoder=decoder)

    def kept_resized(self, where: str) -> Pictures:
        first = self.files.stamp(0)
        if first is None:
            return super().kept_resized(where)
        return replace(self, kept=Resized(f"{self._made_by}, {first}", self.shape, len(self.labels), where))

    def remembered(self) -> Pictures:
        number, shape = len(self.labels), self.shape
        return replace(self, memory=Remembered(number, shape)) if Remembered.fits(number, shape) else self

    def pixels(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        pixels = np.empty((len(indices), *self.shape), np.uint8)
        rows = [self._next_good(index, pixels[k]) for k, index in enumerate(indices.tolist())]
        return torch.from_numpy(pixels), self.truths(np.array(rows, np.int64))

    def _next_good(self, index: int, into: NDArray[np.uint8]) -> int:
        for position in range(index, index + len(self)):
            row = int(self.rows[position % len(self)])
            if row in self.damage.names:
                continue
            try:
                self._read(row, into)
                return row
            except TooLargeError as error:
                self.damage.add(row, f"{self.files.name(row)} ({error})")
            except (UnreadableError, OSError):
                self.damage.add(row, self.files.name(row))
        raise DataError(
            f"none of {len(self)} images can be read, such as {self.files.name(int(self.rows[0]))}; check them"
        )

    def _read(self, row: int, into: NDArray[np.uint8]) -> None:
        if self.memory is not None and self.memory.read(row, into):
            return
        self._decode(row, into)
        if self.memory is not None:
            self.memory.write(row, into)

    def _decode(self, row: int, into: NDArray[np.uint8]) -> None:
        stamp = self.files.stamp(row) if self.kept is not None else None
        if self.kept is not None and stamp is not None and self.kept.read(row, stamp, into):
            return
        into[:] = decode(self.files.read(row), self.image_size, self.channels, self.decoder, self.fit)
        if self.kept is not None and stamp is not None:
            self.kept.write(row, stamp, into)


def number(names: Sequence[str]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Classes given by name: the label of each image, and the names in their order; numbers are ordered as numbers."""
    distinct = set(names)
    digits = all(name.isdecimal() and len(name) < LONGEST_NUMBER for name in distinct)
    classes = sorted(distinct, key=lambda name: (int(name) if digits else 0, name))
    place = {name: i for i, name in enumerate(classes)}
    return np.array([place[name] for name in names], np.int64), tuple(classes)
