"""Swin (Liu et al., 2021): four stages of attention inside windows, which move by half a window in every other block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import STAGES, FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_by_stage, stage_values, when_deeper
from vitnas.search_spaces.space import Published, Task

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
class Swin(FourStages):
    """Four stages, each with its width, depth and window, and an FFN ratio for every block.

    A window always divides the map of its stage: what would be padded, attention would see. Blocks whose window is the
    whole map move nothing.
    """

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        self.require_whole_halves()
        return stage_by_stage(
            per_stage("width", WIDTHS),
            per_stage("depth", DEPTHS),
            per_stage("window", [windows(self.side(stage)) for stage in STAGES]),
            per_stage("mlp_ratio", [RATIOS] * 4, per="depth"),
        )

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (width, third, num_params, macs) in WINNERS.items():
            depths = (2, 2, third, 2)
            genes = stage_values(
                width=[width << i for i in range(4)],
                depth=depths,
                window=[min(windows(self.side(stage)), key=_from_published) for stage in STAGES],
                mlp_ratio=[(4,) * depth for depth in depths],
            )
            found[name] = Published(genes, num_params, macs)
        return found

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), self._stem)]

    def transition(self, stage: int) -> Site:
        return self.downsampling(stage, "merging", "patch_merging")

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, width = f"stage{stage}_block{block}", f"width.s{stage}"
        attention = when_deeper(block, partial(self._attention, stage, block))
        return [
            Site(f"{name}_attention", (width, f"depth.s{stage}", f"window.s{stage}"), attention),
            Site(f"{name}_ffn", (width, f"mlp_ratio.s{stage}[{block}]"), partial(self._ffn, stage)),
        ]

    def head(self) -> Site:
        return Site("head", ("width.s4",), partial(self.classifier, norm="layer", pool_first=False))

    def _stem(self, width: int) -> LayerSpec:
        shapes = self.task.image_shape, self.shape(1, width)
        return LayerSpec.of("map_stem", *shapes, kernels="4", strides="4", hidden=0, norm="none")

    def _attention(self, stage: int, block: int, width: int, window: int) -> LayerSpec:
        shape, heads = self.shape(stage, width), width // HEAD_WIDTH
        shift = block % 2 == 1 and window < self.side(stage)
        return LayerSpec.of(
            "window_attention", shape, shape, heads=heads, head_width=HEAD_WIDTH, window=window, shift=shift
        )

    def _ffn(self, stage: int, width: int, ratio: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("map_feed_forward", shape, shape, hidden=width * ratio, layer_scale=False)


def windows(side: int) -> tuple[int, ...]:
    """The windows that divide a map: from 4 to 14, or the next larger one."""
    dividing = [window for window in range(min(SMALLEST_WINDOW, side), side + 1) if side % window == 0]
    return tuple(window for window in dividing if window <= LARGEST_WINDOW) or (dividing[0],)


def _from_published(window: int) -> int:
    return abs(window - PUBLISHED_WINDOW)


def swin(task: Task = Task()) -> Swin:
    """Between a network smaller than Swin-T and Swin-B, with windows other than 7 as well."""
    return Swin("swin", task)
