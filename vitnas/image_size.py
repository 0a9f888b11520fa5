"""Sizes of images: one number for square ones, height and width for others."""

from __future__ import annotations

from collections.abc import Sequence

from vitnas.errors import SettingsError, SpaceError

ImageSize = int | tuple[int, int]
"""Side of square images in pixels, or height and width."""


class ImageSizeError(SettingsError, ValueError):
    """A size of a task that is none; what reads files of tasks tells where a ValueError stands."""


def height_and_width(size: ImageSize) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def settled(size: int | Sequence[int], where: str, error: type[SettingsError] = SettingsError) -> ImageSize:
    """The one form of a size, in which square images have one number.

    Args:
        size: a number, or height and width.
        where: it was written, for errors.
        error: what is raised of other sizes.
    """
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or any(type(side) is not int or side < 1 for side in sides):
        raise error(
            f"{where} must be one whole number of at least 1, or height and width as in [224, 320]; got {size!r}, change it"
        )
    height, width = sides
    return height if height == width else (height, width)


def only_side(size: ImageSize) -> int:
    """Of square images; spaces that know no others ask for it."""
    if not isinstance(size, int):
        raise SpaceError(
            f"images of {in_words(size)} are not square, and only plain ViTs look at such images; give one side, or choose a plain "
            "ViT such as deit or staged-vit"
        )
    return size


def in_words(size: ImageSize) -> str:
    """``224x320``, height first."""
    return "x".join(map(str, height_and_width(size)))


def in_short(size: ImageSize) -> str:
    """``224``, or ``224x320`` where images are not square."""
    return str(size) if isinstance(size, int) else in_words(size)


def parse_image_size(text: str, flag: str) -> ImageSize:
    """The size that ``"224"`` or ``"224x320"`` says."""
    try:
        sides = [int(side) for side in text.split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2):
        raise SettingsError(
            f"{flag} {text}: expected one side in pixels, as in 224, or height and width, as in 224x320"
        )
    return settled(sides[0] if len(sides) == 1 else sides, flag)
