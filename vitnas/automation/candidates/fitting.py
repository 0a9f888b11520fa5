"""Which spaces have archs within the limits, at what pace these train, and which are smaller or drawn beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.pace import Pace, measure_pace
from vitnas.automation.candidates.scaling import Placed, at_random, largest_uniform, place
from vitnas.automation.recipe import BATCH, LEARNING_RATE
from vitnas.errors import SearchError, SettingsError, VitnasError
from vitnas.quantities import format_limits
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data.dataset import check_size
from vitnas.supernets.torch_device import find_device

SMALL = 64
"""Images smaller than this are also tried enlarged to it, which most spaces of many stages need."""


ENOUGH_STEPS = 1500
"""Of a training; a network that time does not train for so long loses to a smaller one."""
NEARLY, LOOKS = 0.85, 5


@dataclass(frozen=True)
class Fit:
    """An arch within the limits, of a space for one image size, and how fast it shall learn."""

    space: SearchSpace
    placed: Placed
    learning_rate: float = LEARNING_RATE
    torch_device: str = "cpu"

    @property
    def pace(self) -> Pace:
        """What a training step of it costs; measured once, when it is first asked for."""
        return paced(self.space, self.placed.arch, self.torch_device)

    @property
    def macs(self) -> int:
        """For one image."""
        return int(PopulationCounter(self.space)(self.space.encode([self.placed.arch])).macs[0])


@lru_cache(maxsize=1024)
def paced(space: SearchSpace, arch: Arch, torch_device: str) -> Pace:
    """The pace of an arch alone at the usual size of a batch."""
    return measure_pace(space, arch, BATCH, find_device(torch_device))


def at_the_limits(
    names: Sequence[str],
    task: Task,
    clock: Clock,
    say: Callable[[str], None],
    most: int | None = None,
    torch_device: str = "cpu",
) -> list[Fit]:
    """The largest uniformly scaled arch within the limits of each space that has one.

    Args:
        names: of spaces, the likeliest first.
        task: of the images, at their own size.
        clock: with the limits.
        say: told which spaces fit and which do not.
        most: ends when so many are found.
        torch_device: where they will be trained.
    """
    for name in names:
        load_space(name)  # refuses a name that nobody has before anything is timed
    found: list[Fit] = []
    for name in names:
        if most is not None and len(found) >= most:
            break
        space = _for_images(name, task)
        if space is None:
            say(f"{name}: not for images of {task.image_size} pixels")
            continue
        placed = largest_uniform(space, clock)
        if placed is None:
            say(f"{name}: its smallest arch is slower than the limit")
            continue
        found.append(Fit(space, placed, torch_device=torch_device))
        told = ", ".join(f"{ms:.2f} ms on {device}" for device, ms in placed.ms.items())
        say(f"{name}, {space.task.image_size} px: {told}")
    if not found:
        raise SearchError(
            f"no arch of {', '.join(names)} keeps {format_limits(clock.limits)}; allow more, or name other spaces"
        )
    return found


def of_cost(largest: Fit, share: float, clock: Clock) -> Fit:
    """The arch of the line whose MACs are about a share of those of the largest within the limits."""
    space = largest.space
    line = uniform_line(space)
    archs = line[: line.index(largest.placed.arch) + 1]
    macs = PopulationCounter(space)(space.encode(archs)).macs
    arch = archs[int(np.abs(np.log(macs / (share * macs[-1]))).argmin())]
    return largest if arch == largest.placed.arch else replace(largest, placed=place(space, arch, clock))


def trainable(largest: Fit, seconds: float, clock: Clock) -> Fit:
    """The largest arch of the line that so many processor seconds train for about `ENOUGH_STEPS` steps, or the smallest.

    A step costs less than MACs say as networks get smaller, so what was found is timed, and a smaller one sought again.
    """
    found, share = largest, 1.0
    for _ in range(LOOKS):
        steps = seconds / found.pace.step_s
        if steps >= NEARLY * ENOUGH_STEPS:
            break
        share *= steps / ENOUGH_STEPS
        found = of_cost(largest, share, clock)
    return found


def random_fit(found: Sequence[Fit], clock: Clock, rng: np.random.Generator) -> Fit:
    """A random arch at the limits of a random one of the spaces."""
    fit = found[int(rng.integers(len(found)))]
    drawn = at_random(fit.space, clock, fit.placed.arch, 1, rng)
    return replace(fit, placed=drawn[0]) if drawn else fit


def _for_images(name: str, task: Task) -> SearchSpace | None:
    """The space for images of this size, or enlarged where the space needs that."""
    if not isinstance(task.image_size, int):
        raise SettingsError(
            f"[data] image_size = {list(task.image_size)}: spaces are compared here, and most know square images alone; give one "
            "side, or train the supernet of a plain ViT with `vitnas train-supernet`"
        )
    for size in dict.fromkeys((task.image_size, max(task.image_size, SMALL))):
        try:
            space = load_space(name, replace(task, image_size=size))
            check_size(space)
        except VitnasError:
            continue
        return space
    return None
