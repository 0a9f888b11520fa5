"""Images with labels: uint8 pixels on demand, and the same normalised."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import DataError, SettingsError
from vitnas.image_size import ImageSize, height_and_width
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.data.geometry import fitted
from vitnas.supernets.data.strata import drawn
from vitnas.supernets.data.truths import Truth
from vitnas.supernets.settings.data import DecoderName, Fit

I = TypeVar("I", bound="Images")  # noqa: E741


@dataclass(frozen=True, eq=False, kw_only=True)
class Images(ABC):
    """Images of one size. A kind of data is a subclass that knows how to read `pixels`.

    Attributes:
        labels: the class of every image there is, int64; where `truth` says more, a number by which images are divided.
        rows: which of them these are, int64; a split is the same images with other rows.
        image_size: side of the pixels, or height and width.
        channels: of the pixels.
        fit: how images of another shape come to that size.
        mean: of each channel, subtracted by `normalise`.
        std: of each channel, by which `normalise` divides.
        truth: what is known of every image there is, where that is more than its class.
    """

    labels: NDArray[np.int64]
    rows: NDArray[np.int64]
    image_size: ImageSize
    channels: int
    fit: Fit = "crop"
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    truth: Truth | None = None

    @abstractmethod
    def pixels(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Some of these images and their truths: uint8 of shape (N, C, H, W), and what `truths` gives."""

    def truths(self, rows: NDArray[np.int64]) -> Tensor:
        """Of images by their number among all there are: int64 classes (N,), or uint8 of what `truth` says."""
        if self.truth is None:
            return torch.from_numpy(self.labels[rows])
        return torch.from_numpy(np.ascontiguousarray(self.truth.of(rows, self.image_size, self.fit)))

    @property
    def answer(self) -> str:
        """What networks answer to be held against these truths."""
        return CLASS if self.truth is None else self.truth.answer

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the pixels of an image: channels, height and width."""
        return (self.channels, *height_and_width(self.image_size))

    @property
    def damaged(self) -> tuple[str, ...]:
        """Names of images that could not be read and were replaced by another, as far as they were met."""
        return ()

    def places(self) -> dict[Hashable, str]:
        """Where these images really lie, with their names: whatever two splits share of it, they share images."""
        return {}

    def stamp(self) -> str | None:
        """What is another wherever these images give other pixels, told without reading them; None where nothing tells."""
        return None

    def decoded_by(self: I, decoder: DecoderName) -> I:
        """The same images by another decoder, if they are decoded at all."""
        return self

    def kept_resized(self: I, where: str) -> I:
        """The same images, each decoded and resized once and then read from disk; `where` is said where that cannot be."""
        raise SettingsError(
            f"[data] cache = 'resized' keeps what is decoded from files that can be told from one another, and {where} has "
            f"none; leave out cache"
        )

    def remembered(self: I) -> I:
        """The same images; those that are decoded are kept in memory, if all of them fit."""
        return self

    def only(self: I, positions: NDArray[np.integer]) -> I:
        """These images and no others."""
        return replace(self, rows=self.rows[positions])

    def relabelled(self: I, new: Sequence[int]) -> I:
        """The same images; class `i` becomes `new[i]`."""
        if self.truth is not None:
            return replace(self, truth=self.truth.renumbered(new))
        return replace(self, labels=np.asarray(new, np.int64)[self.labels])

    def normalise(self, x: Tensor) -> Tensor:
        """Pixels in 0..1 as networks want them: (x - mean) / std, on the device of `x`."""
        mean, std = (x.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        return (x - mean) / std

    def take(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Some of these images as networks want them, float32, and their labels."""
        pixels, labels = self.pixels(indices)
        return self.normalise(pixels.float() / 255), labels

    def sample(self: I, n: int, seed: int = 0) -> I:
        """`n` of these images, or all if there are fewer: every class by its share, in the order in which they lie.

        This is how a few images are taken, whatever for. Folders lie class by class, so the first few are no sample.
        """
        return self.only(drawn(self.labels[self.rows], n, seed))

    def shuffled(self: I, seed: int = 0) -> I:
        """The same images in another order, which mixes the classes in every batch."""
        return self.only(np.random.default_rng([seed, len(self)]).permutation(len(self)))

    def all(self) -> tuple[Tensor, Tensor]:
        """All of these images at once, as `take` gives them."""
        return self.take(np.arange(len(self)))

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All images once, in their order, as `take` gives them; the last batch may be smaller."""
        for start in range(0, len(self), size):
            yield self.take(np.arange(start, min(start + size, len(self))))


@dataclass(frozen=True, eq=False, kw_only=True)
class Pixels(Images):
    """Images in an array, which may be mapped from a file; read and converted when asked for.

    Attributes:
        x: uint8, or floats in 0..1, of shape (N, C, H, W); any view will do.
        place: the real file that they come from, and their name in it; None where they come from none.
    """

    x: NDArray[Any]
    place: Hashable = None

    @classmethod
    def of(
        cls,
        x: NDArray[Any],
        labels: NDArray[np.integer],
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
        truth: Truth | None = None,
        image_size: ImageSize | None = None,
    ) -> Pixels:
        """All images of an array (N, C, H, W), normalised to 0..1 unless told otherwise.

        Unless a size is told it is the shorter side of the images, and those that are not square lose what is left and right, or
        above and below, of their middle.
        """
        if x.ndim != 4 or len(x) != len(labels):
            raise DataError(
                f"images need an array of shape (N, channels, height, width) and one label each; got shape {x.shape} "
                f"and {len(labels)} labels; check how they are read"
            )
        if x.dtype != np.uint8 and x.dtype.kind != "f":
            raise DataError(f"images must be uint8, or floats in 0..1; got {x.dtype}; convert them")
        channels, height, width = x.shape[1:]
        return cls(
            x=x[:],
            labels=labels.astype(np.int64),
            rows=np.arange(len(x)),
            image_size=image_size or min(height, width),
            channels=channels,
            mean=mean or (0.0,) * channels,
            std=std or (1.0,) * channels,
            truth=truth,
        )

    def places(self) -> dict[Hashable, str]:
        return {} if self.place is None else {self.place: "the whole array"}

    def pixels(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        rows = self.rows[indices]
        x = self.x[rows]
        if x.dtype != np.uint8:
            x = np.rint(np.clip(x, 0, 1) * np.float32(255)).astype(np.uint8)
        pixels = torch.from_numpy(np.ascontiguousarray(x))
        if pixels.shape[1] != self.channels:
            pixels = with_channels(pixels, self.channels)
        pixels = fitted(pixels, self.fit, self.image_size)
        return pixels, self.truths(rows)


def with_channels(pixels: Tensor, channels: int) -> Tensor:
    """Gray as colours, or colours as gray (Rec. 601)."""
    if pixels.shape[1] == 1:
        return pixels.repeat(1, channels, 1, 1)
    red, green, blue = pixels[:, :3].float().unbind(dim=1)
    return (0.299 * red + 0.587 * green + 0.114 * blue).round().to(torch.uint8)[:, None]
