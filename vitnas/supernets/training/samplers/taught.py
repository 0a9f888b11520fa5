"""What samplers share in whose steps some lessons learn from others: at first all learn from labels."""

from __future__ import annotations

from vitnas.search_spaces import SearchSpace
from vitnas.supernets.training.samplers.sampler import Sampler


class Taught(Sampler):
    """A sampler some of whose lessons others of the step teach, once the first part of the training is over.

    Pupils share their weights with their teachers. While these know little, distillation holds a training back, and
    one as short as small data sets allow ends before that changes.

    `label_share` of the `num_steps` are for labels alone, or `label_steps` of them where that is a number.
    """

    def __init__(
        self, space: SearchSpace, seed: int, num_steps: int, label_share: float, label_steps: int | None
    ) -> None:
        super().__init__(space, seed)
        self.num_steps = num_steps
        self.label_steps = label_share * num_steps if label_steps is None else label_steps

    def teachers(self, step: int, positions: tuple[int, ...]) -> tuple[int, ...]:
        """Those at these positions, or none while all learn from labels."""
        return () if step < self.label_steps else positions
