"""EfficientFormer (Li et al., 2022): blocks of pooling and convolution first, blocks of attention last.

The genes are those of its latency-driven slimming: widths in steps of 16, depths, and the number of
attention blocks, which all published networks have at the end of the last stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_values
from vitnas.search_spaces.space import Published, Task

WIDTHS = (range(32, 97, 16), range(64, 193, 16), range(128, 385, 16), range(256, 769, 16))
DEPTHS = (range(2, 7), range(2, 7), range(4, 19), range(2, 9))
ATTENTION = range(9)

WINNERS: Mapping[str, tuple[Sequence[int], Sequence[int], int, int, int]] = {
    "EfficientFormer-L1": ((48, 96, 224, 448), (3, 2, 6, 4), 1, 12_289_928, 1_291_284_736),
    "EfficientFormer-L3": ((64, 128, 320, 512), (4, 4, 12, 6), 4, 31_406_000, 3_906_573_312),
    "EfficientFormer-L7": ((96, 192, 384, 768), (6, 6, 18, 8), 8, 82_229_328, 10_119_325_696),
}
"""Widths, depths, attention blocks, parameters and MACs, with the distillation head."""


@dataclass(frozen=True, eq=False)
class EfficientFormer(FourStages):
    """Four stages of blocks on maps; the last `attention` blocks attend over the whole map.

    Attributes:
        distilled: a second head for a teacher's answers, averaged with the first, as published.
    """

    distilled: bool = True

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        return [
            *per_stage("width", WIDTHS),
            *per_stage("depth", DEPTHS[:3]),
            Gene("attention", tuple(ATTENTION)),
            Gene("depth.s4", tuple(DEPTHS[3]), at_least="attention"),
        ]

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (widths, depths, attention, num_params, macs) in WINNERS.items():
            genes = {**stage_values(width=widths, depth=depths), "attention": attention}
            counts = Published(genes, num_params, macs)
            found[name] = counts if self.distilled else without_teacher(counts, widths[3])
        return found

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), partial(self.two_convolutions, act="relu", act_last=True, bias=True))]

    def transition(self, stage: int) -> Site:
        return self.downsampling(stage, "downsampling", "downsample_conv")

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name = f"stage{stage}_block{block}"
        genes = (f"width.s{stage}", f"depth.s{stage}", *("attention",) * (stage == 4))
        return [
            Site(f"{name}_mixer", genes, partial(self._mixer, stage, block)),
            Site(f"{name}_ffn", genes, partial(self._ffn, stage, block)),
        ]

    def head(self) -> Site:
        spec = partial(self.classifier, norm="layer", pool_first=False, distilled=self.distilled)
        return Site("head", ("width.s4",), spec)

    def _mixer(self, stage: int, block: int, width: int, depth: int, attention: int = 0) -> LayerSpec | None:
        shape, side = self.shape(stage, width), self.side(stage)
        if block >= depth:
            return None
        if block < depth - attention:
            return LayerSpec.of("pool_mixing", shape, shape)
        return LayerSpec.of(
            "offset_attention", shape, shape, heads=8, key_width=32, value_width=128, window=side, layer_scale=True
        )

    def _ffn(self, stage: int, block: int, width: int, depth: int, attention: int = 0) -> LayerSpec | None:
        shape = self.shape(stage, width)
        if block >= depth:
            return None
        if block < depth - attention:
            return LayerSpec.of("meta_feed_forward", shape, shape, hidden=4 * width, depthwise=False)
        return LayerSpec.of("map_feed_forward", shape, shape, hidden=4 * width, layer_scale=True)


def without_teacher(counts: Published, width: int) -> Published:
    """The counts of a published arch without its second head, of 1000 classes on `width` channels."""
    return Published(counts.genes, counts.num_params - 1000 * (width + 1), counts.macs - 1000 * width)


def efficientformer(task: Task = Task(), distilled: bool = True) -> EfficientFormer:
    """Between a network smaller than EfficientFormer-L1 and L7."""
    return EfficientFormer("efficientformer", task, distilled)
