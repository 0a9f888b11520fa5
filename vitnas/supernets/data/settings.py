"""What to train on: table [data] of a settings file and of a run."""

from __future__ import annotations

from dataclasses import dataclass

from vitnas.errors import SettingsError


@dataclass(frozen=True)
class DataSettings:
    """Which images, how large, and which of them judge and testify.

    Attributes:
        name: "digits" or another data set by name, or the path of a folder or file.
        format: how the path is laid out; None finds out.
        val: path of the validation images, laid out as the others; None takes those that the data set
            keeps for it, or else a share.
        test: path of the test images, laid out as the others; None takes those that the data set keeps for it, or
            else a share.
        val_share: how much of each class is held back when the data set does not say; of what the test leaves.
        test_share: how much of all images is kept for the test when the data set does not say; None takes a
            tenth, at most 10,000 images, if that is 100 or more. 0 keeps no test: then images called "test" validate
            where none are called so.
        seed: of that split.
        image_size: of the square images that networks see; None takes the size of the images if they are
            all of one, and 224 if not.
        in_channels: 1 for gray or 3 for colours; None takes what the images have.
        mean: of each channel, for normalising; None measures.
        std: of each channel, for normalising; None measures.
        label_column: of a table, or key in the .json of a tar shard; None finds out.
        max_damaged: share of the images that may turn out to be unreadable before training gives up.
    """

    name: str = "digits"
    format: str | None = None
    val: str | None = None
    test: str | None = None
    val_share: float = 0.2
    test_share: float | None = None
    seed: int = 0
    image_size: int | None = None
    in_channels: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    label_column: str | None = None
    max_damaged: float = 0.1

    def __post_init__(self) -> None:
        self._demand("name", bool(self.name), "a name or a path")
        self._demand("val_share", 0 < self.val_share < 1, "between 0 and 1, such as 0.2")
        self._demand("test_share", self.test_share is None or 0 <= self.test_share < 1, "0 or more and less than 1")
        if self.test is not None and self.test_share == 0:
            raise SettingsError(
                f"[data] test_share = 0 keeps no test, but test names '{self.test}'; leave out one of the two"
            )
        self._demand("max_damaged", 0 <= self.max_damaged < 1, "a share: 0 or more and less than 1")
        self._demand("seed", self.seed >= 0, "0 or more")
        self._demand("image_size", self.image_size is None or self.image_size >= 1, "at least 1")
        self._demand("in_channels", self.in_channels in (None, 1, 3), "1 or 3")
        self._demand("std", self.std is None or min(self.std, default=0) > 0, "more than 0 for each channel")
        if (self.mean is None) != (self.std is None):
            raise SettingsError(f"[data] give mean and std together, or neither; got {self.mean} and {self.std}")
        if self.mean is not None and self.std is not None and len(self.mean) != len(self.std):
            raise SettingsError(
                f"[data] mean and std need one number a channel each; got {len(self.mean)} and {len(self.std)}"
            )

    def _demand(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise SettingsError(f"[data] {name} must be {rule}; got {getattr(self, name)!r}, change it")
