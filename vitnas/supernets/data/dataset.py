"""A data set: images to learn from, images that judge, images that testify, and the task they pose."""

from __future__ import annotations

from dataclasses import dataclass, field

from vitnas.errors import DataError
from vitnas.image_size import in_words
from vitnas.search_spaces import SearchSpace, Task
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.splits import Division


@dataclass(frozen=True, eq=False)
class Dataset:
    """What a supernet is trained and judged on.

    Attributes:
        name: how people and files call it.
        task: the image size, channels and classes that a network for it must have.
        train: images to learn from.
        val: images to judge subnets by; never learnt from.
        mean: of each channel of the training pixels, which lie in 0..1.
        std: of each channel of the training pixels; images are (pixels - mean) / std.
        classes: the name of each class.
        test: images that nothing learns from and nothing is chosen by, for the accuracy that is told in the end; None
            where none were kept.
        division: how the images were divided.
    """

    name: str
    task: Task
    train: Images
    val: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...]
    test: Images | None = None
    division: Division = field(default_factory=Division)

    @property
    def damaged(self) -> tuple[str, ...]:
        """Images of any part that could not be read, as far as they were met."""
        return self.train.damaged + self.val.damaged + (self.test.damaged if self.test is not None else ())

    def damage(self) -> str | None:
        """One line on the images that could not be read; None while all could."""
        names = self.damaged
        if not names:
            return None
        more = f" and {len(names) - 10} more" if len(names) > 10 else ""
        total = len(self.train) + len(self.val) + (len(self.test) if self.test is not None else 0)
        return (
            f"dataset '{self.name}': {len(names)} of {total} images could not be read and were "
            f"replaced by the next: {', '.join(names[:10])}{more}"
        )

    def check(self, space: SearchSpace) -> None:
        """Refuses a space whose networks are built for another task, or for larger images than these."""
        if space.task != self.task:
            raise DataError(
                f"dataset '{self.name}' holds {_words(self.task)}, but space '{space.name}' is built for "
                f"{_words(space.task)}; load the space for {self.task}"
            )
        check_size(space)


def demand_classes(dataset: Dataset, who: str) -> Dataset:
    """Refuses images that ask for another answer than one class, where nothing else can be given yet."""
    if dataset.task.answer != CLASS:
        raise DataError(
            f"{who} is for one class an image, and [data] answer is '{dataset.task.answer}'; give the steps one by one: "
            "train-supernet, profile, search, export, as docs/goals.md shows"
        )
    return dataset


def check_size(space: SearchSpace) -> None:
    """Refuses a space that leaves nothing of the images of its task on their way."""
    for arch in (space.smallest(), space.largest()):
        for layer in space.lower(arch):
            patch = dict(layer.attrs).get("patch", 1) if len(layer.in_shape) == 3 else 1
            if min(layer.in_shape + layer.out_shape) < 1 or int(patch) > min(layer.in_shape[1:] or (1,)):
                raise DataError(
                    f"images of {in_words(space.task.image_size)} are too small for space '{space.name}': nothing would be left of them at "
                    f"layer '{layer.key}'; give a larger image_size"
                )


def _words(task: Task) -> str:
    size, asked = in_words(task.image_size), "" if task.answer == CLASS else f", asked for '{task.answer}'"
    return f"{size} images with {task.in_channels} channel(s) and {task.num_classes} classes{asked}"
