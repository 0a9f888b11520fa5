"""A stock network: what people take who do not search, one that timm has, as it was published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from vitnas.automation.clock import Clock
from vitnas.automation.fitting import SMALL, Fit, fit_of
from vitnas.automation.scaling import Placed, place
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
    for space in (load_space(name, replace(task, image_size=max(task.image_size, SMALL))) for name in names):
        archs = {name: space.named(name) for name in space.published()}
        macs = PopulationCounter(space)(space.encode(list(archs.values()))).macs
        found += [Stock(name, space, arch, int(n)) for (name, arch), n in zip(archs.items(), macs, strict=True)]
    return sorted(found, key=lambda one: (one.macs, one.name))


def slowest_stock(task: Task, clock: Clock, say: Callable[[str], None], names: Sequence[str] = IN_TIMM) -> Fit | None:
    """The stock network that comes nearest to the limits and keeps them; None where none does, which is said.

    Args:
        task: of the images, at their own size.
        clock: with the limits.
        say: told what is found.
        names: of the spaces that they come from.
    """
    placed: list[tuple[Stock, Placed]] = []
    late = 0
    for one in stock_networks(task, names):
        placed.append((one, place(one.space, one.arch, clock)))
        late = late + 1 if placed[-1][1].share > 1 else 0
        if late == PATIENCE:
            break
    within = [pair for pair in placed if pair[1].share <= 1]
    if not within:
        quickest, took = min(placed, key=lambda pair: pair[1].share)
        say(f"no stock network keeps the limit: {quickest.name}, {_told(quickest, took)}; the baseline is left out")
        return None
    stock, took = max(within, key=lambda pair: pair[1].share)
    found = fit_of(stock.space, took)
    say(f"stock: {stock.name}, {_told(stock, took)}, {found.pace.step_s:.2f} s a training step")
    return found


def _told(stock: Stock, placed: Placed) -> str:
    ms = ", ".join(f"{ms:.2f} ms on {device}" for device, ms in placed.ms.items())
    return f"{stock.space.task.image_size} px: {ms}"
