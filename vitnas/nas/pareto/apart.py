"""Apart: which points can be told apart, when every figure has an error."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vitnas.nas.pareto.answers import MOST_KEPT, Answers

Floats = NDArray[np.float64]

WIDTH = 1.645
"""Standard deviations to either side of a figure; the truth lies within in 9 cases of 10."""

Rows = NDArray[np.int64]


class Apart:
    """Holds the figures of points against one another, a column an objective.

    Two figures are told apart if they differ by more than `WIDTH` standard deviations of their difference. Figures
    without an error are told apart unless they are equal.
    """

    def __init__(
        self,
        values: Floats,
        stds: Floats,
        shared: Floats,
        answers: Sequence[Answers | None] = (),
        judged: int | None = None,
    ) -> None:
        """Takes the figures as they are; nothing is compared yet.

        Args:
            values: ``(n, k)`` figures, all to minimise.
            stds: ``(n, k)`` their standard deviations, zero where none is known.
            shared: ``(k,)`` the relative standard deviation that all figures of a column share; part of `stds`.
            answers: on the images that column `judged` counts, of each point.
            judged: the column of an accuracy.
        """
        self.values = values
        self._shared = shared
        own = stds**2 - (shared * values) ** 2
        self._variances = np.maximum(own, 0.0)
        self._judged = judged
        self._images, self._bits = _pack(answers if judged is not None else [], len(values))

    def same(self, one: int, others: Rows, column: int) -> NDArray[np.bool_]:
        """Which of some points cannot be told from one point in one column."""
        gap = np.abs(self.values[others, column] - self.values[one, column])
        found: NDArray[np.bool_] = gap <= WIDTH * self.error(one, others, column)
        return found

    def error(self, one: int, others: Rows, column: int) -> Floats:
        """Standard deviations of the differences between one point and others in a column."""
        gaps = self.values[others, column] - self.values[one, column]
        variances = self._variances[:, column]
        found: Floats = variances[one] + variances[others] + (self._shared[column] * gaps) ** 2
        if column == self._judged and self._images[one]:
            paired = self._images[others] == self._images[one]
            found[paired] = self._paired(one, others[paired], gaps[paired])
        np.sqrt(found, out=found)
        return found

    def groups(self, order: Rows) -> Iterator[Rows]:
        """Each point in one group: the first that is left, with all that cannot be told from it in any column.

        Args:
            order: of the points; who comes early stands for a group.
        """
        columns = sorted(range(self.values.shape[1]), key=lambda c: c == self._judged)  # answers take the longest
        left = order
        while len(left):
            one, rest = int(left[0]), left[1:]
            alike = np.arange(len(rest))
            for column in columns:
                alike = alike[self.same(one, rest[alike], column)]
            yield np.concatenate([left[:1], rest[alike]])
            left = np.delete(rest, alike)

    def _paired(self, one: int, others: Rows, gaps: Floats) -> Floats:
        """Variances of differences between answers to the same images.

        As in the test of McNemar, where b images are right for one network only and c for the other only; half an
        image is added to each count (Agresti and Min), as differences on few images are else thought too sure.
        """
        n = float(self._images[one])
        differ = np.bitwise_count(self._bits[others] ^ self._bits[one]).sum(axis=1, dtype=np.int64)
        count = np.maximum(differ * n / min(n, MOST_KEPT), np.abs(gaps) * n)
        found: Floats = (count + 1.0 - (gaps * n) ** 2 / (n + 2.0)) / n**2
        return found


def _pack(answers: Sequence[Answers | None], n: int) -> tuple[Rows, NDArray[np.uint64]]:
    """How many images each point was judged on, 0 where the answers are not known, and their bits in words."""
    images = np.zeros(n, np.int64)
    bits = np.zeros((n, MOST_KEPT // 8), np.uint8)
    for i, one in enumerate(answers):
        if one is not None:
            images[i] = one.images
            bits[i, : len(one.right)] = np.frombuffer(one.right, np.uint8)
    return images, bits.view(np.uint64)
