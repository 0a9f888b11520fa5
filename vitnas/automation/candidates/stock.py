"""Published networks that keep the limits: the stock that somebody takes who does not search."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vitnas.automation.candidates.clock import Clock
from vitnas.automation.candidates.fitting import SMALL, Fit
from vitnas.automation.candidates.scaling import Placed, place
from vitnas.automation.settings import AutoSettings
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.supernets.counting.population import PopulationCounter

IN_TIMM = ("efficientformerv2", "tinyvit", "pvtv2", "convnext", "deit", "efficientformer", "swin", "nextvit")
"""Spaces whose published networks are models of timm, layer by layer: `--init timm:NAME` reads their weights."""
PATIENCE = 3
"""So many networks in a row that break the limits, in the order of their MACs, end the looking."""


@dataclass(frozen=True)
class Stock:
    """A published network for the images at hand.

    Attributes:
        name: that it was published under.
        space: that has it, for these images.
        arch: of that space.
        macs: for one image.
    """

    name: str
    space: SearchSpace
    arch: Arch
    macs: int


def stock_networks(task: Task, names: Sequence[str] = IN_TIMM) -> list[Stock]:
    """The published networks of spaces, those of the fewest MACs first; images below `SMALL` pixels are enlarged to it."""
    found = []
    for space in (load_space(name, replace(task, image_size=max(task.side, SMALL))) for name in names):
        archs = {name: space.named(name) for name in space.published()}
        macs = PopulationCounter(space)(space.encode(list(archs.values()))).macs
        found += [Stock(name, space, arch, int(n)) for (name, arch), n in zip(archs.items(), macs, strict=True)]
    return sorted(found, key=lambda one: (one.macs, one.name))


def slowest_stock(task: Task, clock: Clock, names: Sequence[str] = IN_TIMM, torch_device: str = "cpu") -> Fit | None:
    """The stock network that comes nearest to the limits and keeps them; None where none does.

    Args:
        task: of the images, at their own size.
        clock: with the limits.
        names: of the spaces that they come from.
        torch_device: where it will be trained.
    """
    within = [(one, placed) for one, placed in _placed(task, clock, names) if placed.share <= 1]
    if not within:
        return None
    stock, took = max(within, key=lambda pair: pair[1].share)
    return Fit(stock.space, took, torch_device=torch_device)


def with_stock_if_any(
    settings: AutoSettings, task: Task, clock: Clock, say: Callable[[str], None], names: Sequence[str] = IN_TIMM
) -> AutoSettings:
    """The settings with the time that is left, and without the baseline where no stock network keeps the limits.

    Args:
        settings: with the baselines.
        task: of the images, at their own size.
        clock: with the limits.
        say: told which network it is.
        names: of the spaces that stock networks come from.
    """
    if "stock" not in settings.baselines:
        return settings
    start = time.monotonic()
    found = slowest_stock(task, clock, names)
    left_s = max(settings.seconds - (time.monotonic() - start), settings.seconds / 2)
    settings = replace(settings, seconds=left_s)
    if found is not None:
        say(f"stock: {found.space.name_of(found.placed.arch)}, {_told(found.space, found.placed)}")
        return settings
    quickest, took = min(_placed(task, clock, names), key=lambda pair: pair[1].share)
    say(f"no stock network keeps the limit: {quickest.name}, {_told(quickest.space, took)}; the baseline is left out")
    return replace(settings, baselines=tuple(name for name in settings.baselines if name != "stock"))


def _placed(task: Task, clock: Clock, names: Sequence[str]) -> list[tuple[Stock, Placed]]:
    """Stock networks with what they take, up to those that are far too slow."""
    found: list[tuple[Stock, Placed]] = []
    late = 0
    for one in stock_networks(task, names):
        found.append((one, place(one.space, one.arch, clock)))
        late = late + 1 if found[-1][1].share > 1 else 0
        if late == PATIENCE:
            break
    return found


def _told(space: SearchSpace, placed: Placed) -> str:
    ms = ", ".join(f"{ms:.2f} ms on {device}" for device, ms in placed.ms.items())
    return f"{space.task.image_size} px: {ms}"
