"""The settings of augmentation: table [train.augment] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from vitnas.settings import Natural, Probability, Settings, about

Alpha = Annotated[float, Meta(ge=0, lt=100)]


@dataclass(frozen=True)
class Augment(Settings):
    """How training images are changed before a step sees them. By default they are not."""

    table = "train.augment"

    flip: Annotated[Probability, about("Probability of mirroring left and right.")] = 0.0
    crop_padding: Annotated[Natural, about("Shift by up to this many pixels each way.")] = 0
    crop_scale: Annotated[
        float,
        about("Cut out at least this share of the area, at random, and enlarge it; 1 keeps all.", gt=0, le=1),
    ] = 1.0
    rand_augment: Annotated[Natural, about("Operations of RandAugment per image.")] = 0
    rand_magnitude: Annotated[float, about("Magnitude of these operations.", ge=0, le=10)] = 9.0
    rand_std: Annotated[Alpha, about("Spread of that magnitude from image to image.")] = 0.5
    rand_probability: Annotated[Probability, about("Probability that an operation is applied once it is drawn.")] = 0.5
    erase: Annotated[Probability, about("Probability of covering a rectangle with noise.")] = 0.0
    mixup: Annotated[Alpha, about("Alpha of the Beta distribution that mixup draws its shares from; 0 is off.")] = 0.0
    cutmix: Annotated[
        Alpha,
        about("The same for cutmix. With both on, a batch gets one of the two."),
    ] = 0.0
    fill: Annotated[Probability, about("Brightness of what comes in from outside an image.")] = 0.5

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are blended, so that its order matters."""
        return self.mixup > 0 or self.cutmix > 0
