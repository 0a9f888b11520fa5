"""Resolution as a gene: the published sizes of the input, scaled to the images of a task."""

from __future__ import annotations

from collections.abc import Sequence

STEP = 8


def scaled_resolutions(published: Sequence[int], image_size: int, stride: int) -> tuple[int, ...]:
    """The published resolutions with the largest one at `image_size`, in multiples of 8, each once.

    None is so small that the last map, at `stride` from the image, has but one token: attention would have nothing
    to choose from. Images keep the size of the task, and a network brings them to its own resolution when it takes
    them in; small images it enlarges. At the published image size the resolutions are the published ones.
    """
    largest = max(published)
    least = stride // STEP + 1
    steps = {max(least, (2 * size * image_size + largest * STEP) // (2 * largest * STEP)) for size in published}
    return tuple(STEP * n for n in sorted(steps))
