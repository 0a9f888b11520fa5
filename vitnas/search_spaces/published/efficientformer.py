"""EfficientFormer (Li et al., 2022): blocks of pooling and convolution first, blocks of attention last.

The genes are those of its latency-driven slimming: widths in steps of 16, depths, and the number of
attention blocks, which all published networks have at the end of the last stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.halving_stages import require_tokens_to_mix, stage_side
from vitnas.search_spaces.space import Published, SearchSpace, Task

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
class EfficientFormer(SearchSpace):
    """Four stages of blocks on maps; the last `attention` blocks attend over the whole map.

    Attributes:
        distilled: a second head for a teacher's answers, averaged with the first, as published.
    """

    distilled: bool = True

    def genes(self) -> Sequence[Gene]:
        widths = [Gene(f"width.s{i + 1}", tuple(choices)) for i, choices in enumerate(WIDTHS)]
        depths = [Gene(f"depth.s{i + 1}", tuple(choices)) for i, choices in enumerate(DEPTHS[:3])]
        attention = Gene("attention", tuple(ATTENTION))
        return (*widths, *depths, attention, Gene("depth.s4", tuple(DEPTHS[3]), at_least="attention"))

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (widths, depths, attention, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {f"width.s{i + 1}": width for i, width in enumerate(widths)}
            genes |= {f"depth.s{i + 1}": depth for i, depth in enumerate(depths)}
            counts = Published({**genes, "attention": attention}, num_params, macs)
            found[name] = counts if self.distilled else without_teacher(counts, widths[3])
        return found

    def sites(self) -> Sequence[Site]:
        require_tokens_to_mix(self.name, self.task)
        sites = [Site("stem", ("width.s1",), partial(stem, self.task, act="relu"))]
        for stage in range(1, 5):
            side = stage_side(self.task, stage)
            if stage > 1:
                genes: tuple[str, ...] = (f"width.s{stage - 1}", f"width.s{stage}")
                sites.append(Site(f"stage{stage}_downsampling", genes, partial(downsampling, self.task, stage)))
            genes = (f"width.s{stage}", f"depth.s{stage}") + ("attention",) * (stage == 4)
            for block in range(max(DEPTHS[stage - 1])):
                sites.append(Site(f"stage{stage}_block{block}_mixer", genes, partial(_mixer, side, block)))
                sites.append(Site(f"stage{stage}_block{block}_ffn", genes, partial(_ffn, side, block)))
        return [*sites, Site("head", ("width.s4",), partial(head, self.task, "layer", self.distilled))]


def stem(task: Task, width: int, act: str) -> LayerSpec:
    image = (task.in_channels, task.image_size, task.image_size)
    side = stage_side(task, 1)
    return LayerSpec.of(
        "stacked_stem", image, (width, side, side), strides="22", width0=width // 2, act=act, act_last=True, bias=True
    )


def downsampling(task: Task, stage: int, before: int, width: int) -> LayerSpec:
    """The transition into a stage."""
    wide, side = stage_side(task, stage - 1), stage_side(task, stage)
    return LayerSpec.of("downsample_conv", (before, wide, wide), (width, side, side))


def head(task: Task, norm: str, distilled: bool, width: int) -> LayerSpec:
    side = stage_side(task, 4)
    return LayerSpec.of(
        "map_classifier", (width, side, side), (task.num_classes,), norm=norm, pool_first=False, distilled=distilled
    )


def without_teacher(counts: Published, width: int) -> Published:
    """The counts of a published arch without its second head, of 1000 classes on `width` channels."""
    return Published(counts.genes, counts.num_params - 1000 * (width + 1), counts.macs - 1000 * width)


def _mixer(side: int, block: int, width: int, depth: int, attention: int = 0) -> LayerSpec | None:
    shape = (width, side, side)
    if block >= depth:
        return None
    if block < depth - attention:
        return LayerSpec.of("pool_mixing", shape, shape)
    return LayerSpec.of(
        "offset_attention", shape, shape, heads=8, key_width=32, value_width=128, window=side, layer_scale=True
    )


def _ffn(side: int, block: int, width: int, depth: int, attention: int = 0) -> LayerSpec | None:
    shape = (width, side, side)
    if block >= depth:
        return None
    if block < depth - attention:
        return LayerSpec.of("meta_feed_forward", shape, shape, hidden=4 * width, depthwise=False)
    return LayerSpec.of("map_feed_forward", shape, shape, hidden=4 * width, layer_scale=True)


def efficientformer(task: Task = Task(), distilled: bool = True) -> EfficientFormer:
    """Between a network smaller than EfficientFormer-L1 and L7."""
    return EfficientFormer("efficientformer", task, distilled)
