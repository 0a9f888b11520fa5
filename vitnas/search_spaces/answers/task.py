"""Task: what the networks of a space look at and answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from vitnas.image_size import ImageSize, ImageSizeError, height_and_width, only_side, settled
from vitnas.search_spaces.answers import CLASS, shape_of
from vitnas.search_spaces.blueprint import Shape
from vitnas.settings import Count


@dataclass(frozen=True)
class Task:
    """What the networks of a space look at and answer. Images have one side, or height and width, in pixels."""

    image_size: ImageSize = 224
    num_classes: Count = 1000
    in_channels: Count = 3
    answer: str = CLASS

    def __post_init__(self) -> None:
        object.__setattr__(self, "image_size", settled(self.image_size, "image_size", ImageSizeError))

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images."""
        return height_and_width(self.image_size)

    @property
    def side(self) -> int:
        """Of square images; others are refused."""
        return only_side(self.image_size)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (self.in_channels, *self.sides)

    @property
    def answer_shape(self) -> Shape:
        """Of what a network answers to one image."""
        return shape_of(self)

    def to_json(self) -> dict[str, Any]:
        """As files hold it: what is asked is told where it is not one class."""
        return {name: value for name, value in asdict(self).items() if (name, value) != ("answer", CLASS)}
