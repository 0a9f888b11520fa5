"""Swin (Liu et al., 2021): four stages of attention inside windows, which move by half a window in every other block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.halving_stages import require_whole_halves, stage_side
from vitnas.search_spaces.space import Published, SearchSpace, Task

HEAD_WIDTH = 32
WIDTHS = ((64, 96, 128), (128, 192, 256), (256, 384, 512), (512, 768, 1024))
DEPTHS = ((1, 2), (1, 2), tuple(range(2, 19, 2)), (1, 2))
RATIOS = (2, 3, 4)
SMALLEST_WINDOW, LARGEST_WINDOW = 4, 14
PUBLISHED_WINDOW = 7
"""At 224 px; where it does not divide the map, a published arch has the window nearest to it that does."""

WINNERS: Mapping[str, tuple[int, int, int, int]] = {
    "Swin-T": (96, 6, 28_288_354, 4_490_566_656),
    "Swin-S": (96, 18, 49_606_258, 8_740_875_264),
    "Swin-B": (128, 18, 87_768_224, 15_430_946_816),
}
"""Width of the first stage, depth of the third, parameters and MACs, at 224 px."""


@dataclass(frozen=True, eq=False)
class Swin(SearchSpace):
    """Four stages, each with its width, depth and window, and an FFN ratio for every block.

    A window always divides the map of its stage: what would be padded, attention would see. Blocks whose window is the
    whole map move nothing.
    """

    def genes(self) -> Sequence[Gene]:
        require_whole_halves(self.name, self.task)
        genes = []
        for i, (widths, depths) in enumerate(zip(WIDTHS, DEPTHS, strict=True)):
            s = f"s{i + 1}"
            genes += [
                Gene(f"width.{s}", widths),
                Gene(f"depth.{s}", depths),
                Gene(f"window.{s}", windows(stage_side(self.task, i + 1))),
                Gene(f"mlp_ratio.{s}", RATIOS, per=f"depth.{s}"),
            ]
        return genes

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (width, third, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {}
            for i, depth in enumerate((2, 2, third, 2)):
                s = f"s{i + 1}"
                offered = windows(stage_side(self.task, i + 1))
                window = min(offered, key=lambda choice: abs(choice - PUBLISHED_WINDOW))
                genes |= {f"width.{s}": width << i, f"depth.{s}": depth}
                genes |= {f"window.{s}": window, f"mlp_ratio.{s}": (4,) * depth}
            found[name] = Published(genes, num_params, macs)
        return found

    def sites(self) -> Sequence[Site]:
        sites = [Site("stem", ("width.s1",), partial(_stem, self.task))]
        for stage, depths in enumerate(DEPTHS, 1):
            side, s, width = stage_side(self.task, stage), f"s{stage}", f"width.s{stage}"
            if stage > 1:
                genes: tuple[str, ...] = (f"width.s{stage - 1}", width)
                sites.append(Site(f"stage{stage}_merging", genes, partial(_merging, self.task, stage)))
            for block in range(max(depths)):
                name = f"stage{stage}_block{block}"
                genes = (width, f"depth.{s}", f"window.{s}")
                sites.append(Site(f"{name}_attention", genes, partial(_attention, side, block)))
                sites.append(Site(f"{name}_ffn", (width, f"mlp_ratio.{s}[{block}]"), partial(_ffn, side)))
        return [*sites, Site("head", ("width.s4",), partial(_head, self.task))]


def windows(side: int) -> tuple[int, ...]:
    """The windows that divide a map: from 4 to 14, or the next larger one."""
    dividing = [window for window in range(min(SMALLEST_WINDOW, side), side + 1) if side % window == 0]
    return tuple(window for window in dividing if window <= LARGEST_WINDOW) or (dividing[0],)


def _stem(task: Task, width: int) -> LayerSpec:
    image, side = (task.in_channels, task.image_size, task.image_size), stage_side(task, 1)
    return LayerSpec.of("map_stem", image, (width, side, side), kernels="4", strides="4", hidden=0, norm="none")


def _merging(task: Task, stage: int, before: int, width: int) -> LayerSpec:
    wide, side = stage_side(task, stage - 1), stage_side(task, stage)
    return LayerSpec.of("patch_merging", (before, wide, wide), (width, side, side))


def _attention(side: int, block: int, width: int, depth: int, window: int) -> LayerSpec | None:
    if block >= depth:
        return None
    shape, heads = (width, side, side), width // HEAD_WIDTH
    shift = block % 2 == 1 and window < side
    return LayerSpec.of(
        "window_attention", shape, shape, heads=heads, head_width=HEAD_WIDTH, window=window, shift=shift
    )


def _ffn(side: int, width: int, ratio: int) -> LayerSpec:
    shape = (width, side, side)
    return LayerSpec.of("map_feed_forward", shape, shape, hidden=width * ratio, layer_scale=False)


def _head(task: Task, width: int) -> LayerSpec:
    side = stage_side(task, 4)
    return LayerSpec.of(
        "map_classifier", (width, side, side), (task.num_classes,), norm="layer", pool_first=False, distilled=False
    )


def swin(task: Task = Task()) -> Swin:
    """Between a network smaller than Swin-T and Swin-B, with windows other than 7 as well."""
    return Swin("swin", task)
