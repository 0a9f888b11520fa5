"""Next-ViT (Li et al., 2022): groups of convolution blocks that each end in a transformer block.

The genes spell out its hybrid strategy: a stage is a number of groups, and a group is a number of
convolution blocks followed by one transformer block, which widens its input by a third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_by_stage, stage_values, when_deeper
from vitnas.search_spaces.space import Published, Task

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
class NextViT(FourStages):
    """A stage of convolution blocks and three of groups, all on maps."""

    deepest = (max(FIRST_DEPTH), *map(max, GROUPS.values()))

    def genes(self) -> Sequence[Gene]:
        later = stage_by_stage(
            per_stage("width", WIDTHS.values(), first=2),
            per_stage("groups", GROUPS.values(), first=2),
            per_stage("convs", CONVS.values(), per="groups", first=2),
        )
        ratios = (Gene("conv_ratio", (2, 3)), Gene("transformer_ratio", (1, 2)))
        return [Gene("width.s1", FIRST_WIDTH), Gene("depth.s1", FIRST_DEPTH), *later, *ratios]

    def published(self) -> Mapping[str, Published]:
        same = {**stage_values(width=(96, 192, 384, 768), depth=(3,)), "conv_ratio": 3, "transformer_ratio": 2}
        found = {}
        for name, (groups, num_params, macs) in WINNERS.items():
            genes = stage_values(first=2, groups=(1, groups, 1), convs=((3,), (4,) * groups, (2,)))
            found[name] = Published(same | genes, num_params, macs)
        return found

    def stem(self) -> Sequence[Site]:
        embedding = partial(self._embedding, 1, STEM_WIDTHS[-1])
        return [Site("stem", (), self._stem), Site("stage1_embedding", ("width.s1",), embedding)]

    def transition(self, stage: int) -> Site:
        genes = (f"width.s{stage - 1}", f"width.s{stage}")
        return Site(f"stage{stage}_group0_embedding", genes, partial(self._entry, stage))

    def block(self, stage: int, block: int) -> Sequence[Site]:
        if stage == 1:
            spec = when_deeper(block, partial(self._conv, stage))
            return [Site(f"stage1_block{block}", ("width.s1", "depth.s1", "conv_ratio"), spec)]
        return self._group(stage, block)

    def _group(self, stage: int, group: int) -> Sequence[Site]:
        name, genes = f"stage{stage}_group{group}", (f"width.s{stage}", f"convs.s{stage}[{group}]")
        sites = [Site(f"{name}_embedding", genes, partial(self._return, stage))] if group else []
        for block in range(max(CONVS[stage])):
            spec = when_deeper(block, partial(self._conv, stage))
            sites.append(Site(f"{name}_block{block}", (*genes, "conv_ratio"), spec))
        transformer = partial(self._transformer, stage)
        return [*sites, Site(f"{name}_transformer", (*genes, "transformer_ratio"), transformer)]

    def head(self) -> Site:
        return Site("head", ("width.s4",), self._head)

    def _stem(self) -> LayerSpec:
        between: dict[str, Any] = {f"width{i}": width for i, width in enumerate(STEM_WIDTHS[:-1])}
        shapes = self.task.image_shape, self.shape(1, STEM_WIDTHS[-1])
        return LayerSpec.of("stacked_stem", *shapes, strides="2112", act="relu", act_last=True, bias=False, **between)

    def _embedding(self, stage: int, before: int, width: int) -> LayerSpec | None:
        """To the width of a stage, on its own map."""
        shapes = self.shape(stage, before), self.shape(stage, width)
        return None if before == width else LayerSpec.of("pool_embedding", *shapes, stride=1)

    def _entry(self, stage: int, before: int, width: int) -> LayerSpec:
        """Into a stage, from the convolution blocks of stage 1 or the last transformer block of another."""
        before = _widened(before) if stage > 2 else before
        return LayerSpec.of("pool_embedding", self.shape(stage - 1, before), self.shape(stage, width), stride=2)

    def _return(self, stage: int, width: int, convs: int) -> LayerSpec | None:
        """From the transformer block of one group to the next group."""
        return self._embedding(stage, _widened(width), width)

    def _conv(self, stage: int, width: int, ratio: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("next_conv_block", shape, shape, hidden=width * ratio)

    def _transformer(self, stage: int, width: int, convs: int, ratio: int) -> LayerSpec:
        wide, reduction = _widened(width), min(REDUCTION[stage], self.side(stage))
        shapes = self.shape(stage, width), self.shape(stage, wide)
        return LayerSpec.of("next_transformer_block", *shapes, hidden=wide * ratio, reduction=reduction)

    def _head(self, width: int) -> LayerSpec:
        return self.classifier(_widened(width), norm="batch", pool_first=False)


def _widened(width: int) -> int:
    """What a transformer block makes of `width` channels: they are three quarters of its output."""
    return width * 4 // 3


def nextvit(task: Task = Task()) -> NextViT:
    """Between a network smaller than Next-ViT-S and Next-ViT-L."""
    return NextViT("nextvit", task)
