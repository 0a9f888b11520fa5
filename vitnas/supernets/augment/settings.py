"""The settings of augmentation: table [train.augment] of a settings file."""

from __future__ import annotations

from dataclasses import dataclass

from vitnas.errors import SettingsError


@dataclass(frozen=True)
class Augment:
    """How training images are changed before a step sees them. By default they are not.

    Attributes:
        flip: probability of mirroring left and right.
        crop_padding: shift by up to so many pixels each way.
        crop_scale: cut out at least this share of the area, at random, and enlarge it; 1 keeps all.
        rand_augment: operations of RandAugment an image.
        rand_magnitude: of these operations, 0..10.
        rand_std: spread of that magnitude from image to image.
        rand_probability: of each operation being applied when drawn.
        erase: probability of a rectangle of noise.
        mixup: alpha of the Beta distribution of shares; 0 is off.
        cutmix: alpha of the Beta distribution of shares; 0 is off. With both on, a batch gets one of the two.
        fill: brightness of what comes in from outside an image, 0..1.
    """

    flip: float = 0.0
    crop_padding: int = 0
    crop_scale: float = 1.0
    rand_augment: int = 0
    rand_magnitude: float = 9.0
    rand_std: float = 0.5
    rand_probability: float = 0.5
    erase: float = 0.0
    mixup: float = 0.0
    cutmix: float = 0.0
    fill: float = 0.5

    def __post_init__(self) -> None:
        for name in ("flip", "rand_probability", "erase", "fill"):
            self._demand(name, 0 <= getattr(self, name) <= 1, "from 0 to 1")
        for name in ("crop_padding", "rand_augment"):
            self._demand(name, getattr(self, name) >= 0, "0 or more")
        self._demand("crop_scale", 0 < self.crop_scale <= 1, "a share of the area: more than 0, at most 1")
        self._demand("rand_magnitude", 0 <= self.rand_magnitude <= 10, "from 0 to 10")
        for name in ("rand_std", "mixup", "cutmix"):
            self._demand(name, 0 <= getattr(self, name) < 100, "0 or more, and less than 100")

    @property
    def mixes(self) -> bool:
        """Whether images of a batch are blended, so that its order matters."""
        return self.mixup > 0 or self.cutmix > 0

    def _demand(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise SettingsError(f"[train.augment] {name} must be {rule}; got {getattr(self, name)!r}, change it")
