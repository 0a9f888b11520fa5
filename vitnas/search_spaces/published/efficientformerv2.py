"""EfficientFormerV2 (Li et al., 2023): convolutional FFNs everywhere, attention at the end of two stages.

The genes are those of its joint search for size and speed: widths, depths, the number of attention
blocks, and the expansion of every FFN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.efficientformer import without_teacher
from vitnas.search_spaces.published.four_stages import FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_values
from vitnas.search_spaces.space import Published, Task

WIDTHS = (range(24, 41, 8), range(48, 81, 8), range(96, 193, 8), range(176, 385, 16))
DEPTHS = (range(2, 6), range(2, 6), range(4, 16), range(4, 11))
ATTENTION = range(7)
EXPANSION = (2.0, 2.5, 3.0, 3.5, 4.0)

WINNERS: Mapping[str, tuple[Sequence[int], Sequence[Sequence[int]], int, int, int]] = {
    "EfficientFormerV2-S0": (
        (32, 48, 96, 176),
        ([4] * 2, [4] * 2, [4, 3, 3, 3, 4, 4], [4, 3, 3, 4]),
        *(2, 3_600_256, 395_892_544),
    ),
    "EfficientFormerV2-S1": (
        (32, 48, 120, 224),
        ([4] * 3, [4] * 3, [4, 4, 3, 3, 3, 3, 4, 4, 4], [4, 4, 3, 3, 4, 4]),
        *(2, 6_185_560, 651_969_640),
    ),
    "EfficientFormerV2-S2": (
        (32, 64, 144, 288),
        ([4] * 4, [4] * 4, [4] * 2 + [3] * 6 + [4] * 4, [4, 4, 3, 3, 3, 3, 4, 4]),
        *(4, 12_710_112, 1_246_863_952),
    ),
    "EfficientFormerV2-L": (
        (40, 80, 192, 384),
        ([4] * 5, [4] * 5, [4] * 4 + [3] * 7 + [4] * 4, [4] * 3 + [3] * 4 + [4] * 3),
        *(6, 26_322_288, 2_552_546_880),
    ),
}
"""Widths, expansion of each FFN, attention blocks, parameters and MACs, with the distillation head."""


@dataclass(frozen=True, eq=False)
class EfficientFormerV2(FourStages):
    """Four stages of blocks on maps; the last `attention` blocks of stages 3 and 4 attend.

    Stage 3 attends at half its resolution; the transition into stage 4 attends as well.

    Attributes:
        distilled: a second head for a teacher's answers, averaged with the first, as published.
    """

    distilled: bool = True

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        genes = [*per_stage("width", WIDTHS), Gene("attention", tuple(ATTENTION))]
        for stage, depths in enumerate(DEPTHS, 1):
            genes.append(Gene(f"depth.s{stage}", tuple(depths), at_least="attention" if stage >= 3 else None))
            genes.append(Gene(f"expansion.s{stage}", EXPANSION, per=f"depth.s{stage}"))
        return genes

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (widths, expansions, attention, num_params, macs) in WINNERS.items():
            genes = stage_values(
                width=widths,
                depth=map(len, expansions),
                expansion=[tuple(map(float, expansion)) for expansion in expansions],
            )
            counts = Published({**genes, "attention": attention}, num_params, macs)
            found[name] = counts if self.distilled else without_teacher(counts, widths[3])
        return found

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), partial(self.two_convolutions, act="gelu", act_last=True, bias=True))]

    def transition(self, stage: int) -> Site:
        if stage < 4:
            return self.downsampling(stage, "downsampling", "downsample_conv")
        attention = {"heads": 8, "key_width": 16, "value_width": 64}
        return self.downsampling(stage, "downsampling", "attention_downsampling", **attention)

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, width = f"stage{stage}_block{block}", f"width.s{stage}"
        ffn = Site(f"{name}_ffn", (width, f"expansion.s{stage}[{block}]"), partial(self._ffn, stage))
        if stage < 3:
            return [ffn]
        genes = (width, f"depth.s{stage}", "attention")
        return [Site(f"{name}_attention", genes, partial(self._attention, stage, block)), ffn]

    def head(self) -> Site:
        spec = partial(self.classifier, norm="batch", pool_first=False, distilled=self.distilled)
        return Site("head", ("width.s4",), spec)

    def _attention(self, stage: int, block: int, width: int, depth: int, attention: int) -> LayerSpec | None:
        if not depth - attention <= block < depth:
            return None
        shape, stride = self.shape(stage, width), 2 if stage == 3 else 1
        return LayerSpec.of("talking_attention", shape, shape, heads=8, key_width=32, value_width=128, stride=stride)

    def _ffn(self, stage: int, width: int, expansion: float) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("meta_feed_forward", shape, shape, hidden=int(width * expansion), depthwise=True)


def efficientformerv2(task: Task = Task(), distilled: bool = True) -> EfficientFormerV2:
    """Between a network smaller than EfficientFormerV2-S0 and L."""
    return EfficientFormerV2("efficientformerv2", task, distilled)
