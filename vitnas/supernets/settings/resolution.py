"""The settings of image sizes while training: table [train.resolution] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from vitnas.errors import SettingsError
from vitnas.image_size import ImageSize, settled
from vitnas.settings import Settings, about

Pair = tuple[Annotated[float, Meta(gt=0, le=1)], Annotated[float, Meta(ge=1)]]


@dataclass(frozen=True)
class Resolution(Settings):
    """The sizes at which training looks at the images."""

    table = "train.resolution"

    progressive: Annotated[
        tuple[Pair, ...],
        about(
            "Pairs of a share of all steps and a factor, as in [[0.3, 4], [0.6, 2]]: until that share, images have this "
            "many times fewer tokens; after the last pair, images are whole."
        ),
    ] = ()
    sizes: Annotated[
        tuple[ImageSize, ...],
        about(
            "Image sizes, such as [160, 192, 224], or [[160, 224], [224, 320]] of images that are not square; every step draws one "
            "of them."
        ),
    ] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(
            self, "sizes", tuple(settled(size, "[train.resolution] sizes: a size") for size in self.sizes)
        )
        shares = [share for share, _ in self.progressive]
        if shares != sorted(set(shares)):
            raise SettingsError(f"[train.resolution] progressive: shares must rise; got {shares}, change them")
        if self.progressive and self.sizes:
            raise SettingsError(
                "[train.resolution] progressive and sizes both say how large images are; leave one of them out"
            )
