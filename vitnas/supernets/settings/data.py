"""What to train on: table [data] of a settings file and of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from vitnas.errors import SettingsError
from vitnas.image_size import ImageSize, settled
from vitnas.settings import Natural, Positive, Settings, Share, about

DecoderName = Literal["pillow", "simplejpeg"]
Fit = Literal["crop", "stretch", "letterbox"]
"""How images of another shape become those of a size: the middle, the whole out of proportion, or the whole with black around it."""


@dataclass(frozen=True)
class DataSettings(Settings):
    """Which images, how large, and which of them validate and test."""

    table = "data"

    name: Annotated[str, about('"digits", "shapes" or another data set by name, or the path of a folder or file.')] = (
        "digits"
    )
    answer: Annotated[
        str,
        about(
            "What networks answer: class, one class an image; labels, any number of labels; mask, one class a pixel. See "
            "docs/goals.md."
        ),
    ] = "class"
    ignore_index: Annotated[
        int, about("In masks that hold class numbers, the number of pixels that count nothing.", ge=0, le=255)
    ] = 255
    format: Annotated[str | None, about("How the path is laid out; left out, it is detected.")] = None
    val: Annotated[
        str | None,
        about(
            "Path of the validation images, laid out as the others; left out, the split that the data set has for them, "
            "or else a share."
        ),
    ] = None
    test: Annotated[
        str | None,
        about(
            "Path of the test images, laid out as the others, which nothing is chosen by; left out, the split that the "
            "data set has for them, or else a share."
        ),
    ] = None
    val_share: Annotated[
        float,
        about(
            "Share of each class that is held back for validation when the data set has no such split; of what the "
            "test leaves.",
            gt=0,
            lt=1,
        ),
    ] = 0.2
    test_share: Annotated[
        Share | None,
        about(
            "Share of all images that is kept for the test when the data set has no such split; left out, a tenth, at "
            'most 10,000 images, if that is 100 or more. 0 keeps no test: images called "test" then validate where none '
            "are called so."
        ),
    ] = None
    seed: Annotated[Natural, about("Random seed for that split.")] = 0
    image_size: Annotated[
        ImageSize | None,
        about(
            "Side in pixels of the square images that networks see, or height and width, as in [224, 320]; left out, the size "
            "of the images if all have the same, and 224 if not."
        ),
    ] = None
    fit: Annotated[
        Fit,
        about(
            "How images of another shape come to image_size: crop takes the middle, stretch the whole out of proportion, "
            "letterbox the whole with black around it."
        ),
    ] = "crop"
    in_channels: Annotated[int | None, about("1 for gray or 3 for colours; left out, what the images have.")] = None
    mean: Annotated[
        tuple[float, ...] | None, about("Mean of each channel, for normalising; left out, it is measured.")
    ] = None
    std: Annotated[
        tuple[Positive, ...] | None,
        about("Standard deviation of each channel, for normalising; left out, it is measured."),
    ] = None
    label_column: Annotated[
        str | None, about("Column of a table, or key in the .json of a tar shard; left out, it is detected.")
    ] = None
    max_damaged: Annotated[
        Share, about("Share of the images that may turn out to be unreadable before training gives up.")
    ] = 0.1

    decoder: Annotated[
        DecoderName,
        about(
            "What decodes JPEG files; simplejpeg takes less time, gives slightly other pixels and needs the extra jpeg."
        ),
    ] = "pillow"
    cache: Annotated[
        Literal["resized", "off"] | None,
        about(
            '"resized" keeps every image in the cache folder as it was decoded and resized, a byte a pixel and channel; "off" '
            "decodes images each time; left out, images that take 512 MiB or less once decoded are kept in memory."
        ),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size is not None:
            object.__setattr__(self, "image_size", settled(self.image_size, "[data] image_size"))
        self.demand("name", bool(self.name), "a name or a path")
        from vitnas.search_spaces.answers import ANSWERS

        if self.answer not in ANSWERS:
            ANSWERS.load(self.answer)  # an error that suggests
        self.demand("in_channels", self.in_channels in (None, 1, 3), "1 or 3")
        if self.test is not None and self.test_share == 0:
            raise SettingsError(
                f"[data] test_share = 0 keeps no test, but test names '{self.test}'; leave out one of the two"
            )
        if (self.mean is None) != (self.std is None):
            raise SettingsError(f"[data] give mean and std together, or neither; got {self.mean} and {self.std}")
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise SettingsError(
                f"[data] mean and std need one number a channel each; got {len(self.mean)} and {len(self.std)}"
            )
