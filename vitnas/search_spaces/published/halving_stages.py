"""Maps of networks whose stem quarters the image and whose stages halve the map."""

from __future__ import annotations

from vitnas.errors import SpaceError
from vitnas.search_spaces.space import Task


def stage_side(task: Task, stage: int) -> int:
    """The side of the map in a stage, counted from 1; odd sides are rounded up when they are halved."""
    return -(-task.image_size // (2 << stage))


def require_tokens_to_mix(name: str, task: Task) -> None:
    """Refuses images so small that the last of four stages would pool and attend over a single place."""
    if stage_side(task, 4) < 2:
        raise SpaceError(
            f"space '{name}': an image of side {task.image_size} leaves a single place in the last stage, where mixing "
            "places does nothing; give images of side 33 or more, best a multiple of 32 such as 64"
        )


def require_whole_halves(name: str, task: Task) -> None:
    """Refuses images that a stem and three halvings do not divide into whole places, or leave a single one."""
    if task.image_size % 32 or task.image_size < 64:
        near = max(2, round(task.image_size / 32)) * 32
        raise SpaceError(
            f"space '{name}': image size {task.image_size} is not a multiple of 32 of at least 64, as four stages of whole "
            f"maps need; the nearest that is: {near}"
        )
