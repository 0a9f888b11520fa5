"""Next-ViT (Li et al., 2022): groups of convolution blocks that each end in a transformer block.

The genes spell out its hybrid strategy: a stage is a number of groups, and a group is a number of
convolution blocks followed by one transformer block, which widens its input by a third.
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

STEM_WIDTHS = (64, 32, 64, 64)
FIRST_WIDTH, FIRST_DEPTH = (64, 96), (1, 2, 3)
WIDTHS = {2: (96, 192), 3: (192, 288, 384), 4: (384, 480, 576, 672, 768)}
"""Of convolution blocks; multiples of 96, for three quarters of a transformer block's output must be heads of 32."""
GROUPS = {2: (1, 2), 3: (1, 2, 3, 4, 5, 6), 4: (1, 2)}
CONVS = {2: (1, 2, 3), 3: (1, 2, 3, 4), 4: (1, 2)}
REDUCTION = {2: 4, 3: 2, 4: 1}

WINNERS: Mapping[str, tuple[int, int, int]] = {
    "Next-ViT-S": (2, 31_763_368, 5_794_420_224),
    "Next-ViT-B": (4, 44_818_856, 8_273_817_088),
    "Next-ViT-L": (6, 57_874_344, 10_753_213_952),
}
"""Groups of stage 3, parameters and MACs."""


@dataclass(frozen=True, eq=False)
class NextViT(SearchSpace):
    """A stage of convolution blocks and three of groups, all on maps."""

    def genes(self) -> Sequence[Gene]:
        genes = [Gene("width.s1", FIRST_WIDTH), Gene("depth.s1", FIRST_DEPTH)]
        for stage in WIDTHS:
            genes.append(Gene(f"width.s{stage}", WIDTHS[stage]))
            genes.append(Gene(f"groups.s{stage}", GROUPS[stage]))
            genes.append(Gene(f"convs.s{stage}", CONVS[stage], per=f"groups.s{stage}"))
        return (*genes, Gene("conv_ratio", (2, 3)), Gene("transformer_ratio", (1, 2)))

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (groups, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {"width.s1": 96, "width.s2": 192, "width.s3": 384, "width.s4": 768}
            genes |= {"depth.s1": 3, "groups.s2": 1, "groups.s3": groups, "groups.s4": 1}
            genes |= {"convs.s2": (3,), "convs.s3": (4,) * groups, "convs.s4": (2,)}
            found[name] = Published({**genes, "conv_ratio": 3, "transformer_ratio": 2}, num_params, macs)
        return found

    def sites(self) -> Sequence[Site]:
        require_tokens_to_mix(self.name, self.task)
        side = stage_side(self.task, 1)
        sites = [
            Site("stem", (), partial(_stem, self.task)),
            Site("stage1_embedding", ("width.s1",), partial(_embedding, side, 1, STEM_WIDTHS[-1])),
        ]
        for block in range(max(FIRST_DEPTH)):
            spec = partial(_conv, side, block)
            sites.append(Site(f"stage1_block{block}", ("width.s1", "depth.s1", "conv_ratio"), spec))
        for stage in WIDTHS:
            sites += self._stage(stage)
        return [*sites, Site("head", ("width.s4",), partial(_head, self.task))]

    def _stage(self, stage: int) -> Sequence[Site]:
        side = stage_side(self.task, stage)
        width = f"width.s{stage}"
        sites = []
        for group in range(max(GROUPS[stage])):
            name, convs = f"stage{stage}_group{group}", f"convs.s{stage}[{group}]"
            if group == 0:
                genes: tuple[str, ...] = (f"width.s{stage - 1}", width)
                entry = partial(_entry, stage_side(self.task, stage - 1), widened=stage > 2)
            else:
                genes = (width, convs)
                entry = partial(_return, side)
            sites.append(Site(f"{name}_embedding", genes, entry))
            for block in range(max(CONVS[stage])):
                genes = (width, convs, "conv_ratio")
                sites.append(Site(f"{name}_block{block}", genes, partial(_conv, side, block)))
            spec = partial(_transformer, side, REDUCTION[stage])
            sites.append(Site(f"{name}_transformer", (width, convs, "transformer_ratio"), spec))
        return sites


def _widened(width: int) -> int:
    """What a transformer block makes of `width` channels: they are three quarters of its output."""
    return width * 4 // 3


def _stem(task: Task) -> LayerSpec:
    image = (task.in_channels, task.image_size, task.image_size)
    side = stage_side(task, 1)
    between = {f"width{i}": width for i, width in enumerate(STEM_WIDTHS[:-1])}
    shape = (STEM_WIDTHS[-1], side, side)
    return LayerSpec.of("stacked_stem", image, shape, strides="2112", act="relu", act_last=True, bias=False, **between)


def _embedding(side: int, stride: int, before: int, width: int) -> LayerSpec | None:
    if stride == 1 and before == width:
        return None
    half = -(-side // stride)
    return LayerSpec.of("pool_embedding", (before, side, side), (width, half, half), stride=stride)


def _entry(side: int, before: int, width: int, widened: bool) -> LayerSpec | None:
    """Into a stage, from the convolution blocks of stage 1 or the last transformer block of another."""
    return _embedding(side, 2, _widened(before) if widened else before, width)


def _return(side: int, width: int, convs: int) -> LayerSpec | None:
    """From the transformer block of one group to the next group."""
    return _embedding(side, 1, _widened(width), width)


def _conv(side: int, block: int, width: int, blocks: int, ratio: int) -> LayerSpec | None:
    shape = (width, side, side)
    return LayerSpec.of("next_conv_block", shape, shape, hidden=width * ratio) if block < blocks else None


def _transformer(side: int, reduction: int, width: int, convs: int, ratio: int) -> LayerSpec:
    wide = _widened(width)
    shapes = (width, side, side), (wide, side, side)
    return LayerSpec.of("next_transformer_block", *shapes, hidden=wide * ratio, reduction=min(reduction, side))


def _head(task: Task, width: int) -> LayerSpec:
    wide, side = _widened(width), stage_side(task, 4)
    return LayerSpec.of(
        "map_classifier", (wide, side, side), (task.num_classes,), norm="batch", pool_first=False, distilled=False
    )


def nextvit(task: Task = Task()) -> NextViT:
    """Between a network smaller than Next-ViT-S and Next-ViT-L."""
    return NextViT("nextvit", task)
