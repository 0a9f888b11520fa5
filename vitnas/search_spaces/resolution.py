"""Resolution as a gene: the published sizes of the input, scaled to the images of a task."""

from __future__ import annotations

from collections.abc import Sequence

STEP = 8


def scaled_resolutions(published: Sequence[int], image_size: int) -> tuple[int, ...]:
    """The published resolutions with the largest one at `image_size`, in multiples of 8, each once.

    Images themselves keep the size of the task: a network with a smaller resolution shrinks them when it takes
    them in. At the published image size, the resolutions are the published ones, as these are multiples of 8.
    """
    largest = max(published)
    steps = {max(1, (2 * size * image_size + largest * STEP) // (2 * largest * STEP)) for size in published}
    return tuple(STEP * n for n in sorted(steps))
