"""One supernet for several limits: how much of a space it spans, how long it is trained, and its run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tomli_w
import torch

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import Fit, at_the_limits, trainable
from vitnas.automation.candidates.lanes import Lanes
from vitnas.automation.candidates.pace import Pace, measure_shared_pace
from vitnas.automation.contender import Mark, Stretch, enter, train_stretch
from vitnas.automation.progress import bar
from vitnas.automation.recipe import BATCH, recipe
from vitnas.errors import SearchError, TrainingError
from vitnas.files import write_bytes
from vitnas.run import RunFolder
from vitnas.search_spaces import OFF, Arch, SearchSpace, Task, load_space
from vitnas.settings import Count, Natural, Positive, Settings, TorchDevice, about, make_settings, read_toml
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.torch_device import CPU, Stopwatch, find_device

SHARE = 0.5
"""What a supernet takes of all that leads to a network, if the networks divide it among them."""
PAIRS = 3
"""Pairs of archs that are timed to know what a step costs."""
WARMUP = 0.25
"""Share of the sampler's steps in which large archs are more frequent."""


@dataclass(frozen=True)
class SharedPlan(Settings):
    """The supernet that will be trained for all limits. `vitnas auto` follows the file as it stands."""

    table = "supernet"

    space: Annotated[str, about("Space of its archs.")]
    image_size: Annotated[Count, about("Pixels that its networks look at.")]
    up_to: Annotated[dict[str, Any], about("The largest arch.")]
    step_s: Annotated[Positive, about("Processor seconds of a training step.")]
    channels_last: Annotated[bool, about("The memory layout in which that is so.")]
    steps: Annotated[Count, about("Steps of its training.")]
    learning_rate: Annotated[Positive, about("At its peak.")]
    threads: Annotated[Count, about("Processor threads, or 1 on a GPU.")]
    seed: Annotated[Natural, about("Random seed.")]
    network_s: Annotated[Positive, about("Processor seconds for each network afterwards.")]
    torch_device: Annotated[TorchDevice, about("Where it is trained.")] = "cpu"

    @property
    def seconds(self) -> float:
        """Of processor time for its training."""
        return self.step_s * self.steps

    def load_space(self, task: Task) -> SearchSpace:
        """The part of the space that the supernet spans, for images of its size."""
        space = load_space(self.space, replace(task, image_size=self.image_size))
        return up_to(space, Arch.from_json(self.up_to))

    def write(self, file: Path) -> None:
        write_bytes(file, tomli_w.dumps(asdict(self)).encode())

    @classmethod
    def read(cls, file: Path) -> SharedPlan:
        """The plan of a file that `write` wrote, perhaps edited since."""
        return make_settings(cls, read_toml(file), str(file))


@dataclass(frozen=True)
class Shared:
    """A trained supernet whose archs go on alone.

    Attributes:
        path: of its run.
        cpu_s: processor seconds that each network has to answer for; its baselines get as many.
    """

    path: Path
    cpu_s: float = 0.0


def up_to(space: SearchSpace, largest: Arch) -> SearchSpace:
    """The archs none of whose genes goes beyond those of one arch."""
    codes = space.encode([space.check(largest)])[0]
    return space.restrict(
        **{c.name: c.choices[: code + 1] for c, code in zip(space.columns, codes, strict=True) if code != OFF}
    )


def plan_shared(
    names: tuple[str, ...],
    data: DataSettings,
    clocks: tuple[Clock, Clock],
    cpu_s: float,
    num_networks: int,
    lanes: Lanes,
    seed: int,
    say: Callable[[str], None],
) -> SharedPlan:
    """Which supernet a time affords: of the likeliest space that keeps the tightest limits, up to what the widest allow.

    Args:
        names: of spaces, the likeliest first.
        data: the images.
        clocks: with the tightest and the widest limits.
        cpu_s: processor seconds that lead to one network, its share of the supernet included.
        num_networks: that will be cut from it.
        lanes: of which it takes as many as it can.
        seed: of the training.
        say: told what is found.
    """
    device = find_device(lanes.torch_device)
    watch = Stopwatch(device)
    task = load_dataset(data).task
    tight, wide = clocks
    fit = replace(widest(names, task, tight, wide, say), torch_device=lanes.torch_device)
    share_s = max(1.0, num_networks * SHARE * cpu_s - watch.seconds())
    fit = trainable(fit, share_s, wide)
    space = up_to(fit.space, fit.placed.arch)
    pace = pace_of(space, seed, device)
    return SharedPlan(
        space=fit.space.name,
        image_size=fit.space.task.side,
        up_to=fit.placed.arch.to_json(),
        step_s=pace.step_s,
        channels_last=pace.channels_last,
        steps=max(1, int(share_s / pace.step_s)),
        learning_rate=fit.learning_rate,
        threads=lanes.widest,
        seed=seed,
        network_s=(1 - SHARE) * cpu_s,
        torch_device=lanes.torch_device,
    )


def widest(names: tuple[str, ...], task: Task, tight: Clock, wide: Clock, say: Callable[[str], None]) -> Fit:
    """The largest uniformly scaled arch within the widest limits, of the first space that keeps the tightest as well."""
    [fits] = [at_the_limits(names, task, tight, say, 1)]
    [fit] = at_the_limits((fits[0].space.name,), task, wide, say)
    if fit.space.task != fits[0].space.task:
        raise SearchError(f"space '{fit.space.name}' looks at images of two sizes; name another with --space")
    return fit


def pace_of(space: SearchSpace, seed: int, device: torch.device = CPU) -> Pace:
    """What a step of the supernet costs: random pairs of archs in most of it, large ones while it warms up."""
    drawn = space.sample(2 * PAIRS, np.random.default_rng(seed))
    large = measure_shared_pace(space, [space.largest()] * 2, BATCH, device)
    usual = [measure_shared_pace(space, drawn[2 * i : 2 * i + 2], BATCH, device) for i in range(PAIRS)]
    mean_s = float(np.mean([pace.step_s for pace in usual]))
    return replace(large, step_s=WARMUP * large.step_s + (1 - WARMUP) * mean_s)


def train_shared(plan: SharedPlan, data: DataSettings, path: Path, show: bool) -> tuple[RunFolder, Mark]:
    """Trains the supernet of a plan; killed at any moment, it goes on."""
    images = replace(data, image_size=plan.image_size)
    dataset = load_dataset(images)
    how = {"learning_rate": plan.learning_rate, "threads": plan.threads, "seed": plan.seed, "sampler": "multi"}
    settings = recipe(dataset, plan.channels_last, plan.steps, torch_device=plan.torch_device, **how)
    run = enter(path, plan.load_space(dataset.task), images, settings)
    with bar("supernet", {path: plan.steps}, {path: plan.step_s}, show):
        mark = train_stretch(Stretch(path, plan.steps))
    if mark.loss == float("inf"):
        raise TrainingError(
            f"the supernet '{path}' was not trained to its end: its loss is no number any more; lower its learning_rate "
            f"in the plan and remove the folder"
        )
    return run, mark
