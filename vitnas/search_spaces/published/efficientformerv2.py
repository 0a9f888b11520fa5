"""EfficientFormerV2 (Li et al., 2023): convolutional FFNs everywhere, attention at the end of two stages.

The genes are those of its joint search for size and speed: widths, depths, the number of attention
blocks, and the expansion of every FFN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.efficientformer import downsampling, head, stem, without_teacher
from vitnas.search_spaces.published.halving_stages import require_tokens_to_mix, stage_side
from vitnas.search_spaces.space import Published, SearchSpace, Task

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
class EfficientFormerV2(SearchSpace):
    """Four stages of blocks on maps; the last `attention` blocks of stages 3 and 4 attend.

    Stage 3 attends at half its resolution; the transition into stage 4 attends as well.

    Attributes:
        distilled: a second head for a teacher's answers, averaged with the first, as published.
    """

    distilled: bool = True

    def genes(self) -> Sequence[Gene]:
        genes = [Gene(f"width.s{i + 1}", tuple(choices)) for i, choices in enumerate(WIDTHS)]
        genes.append(Gene("attention", tuple(ATTENTION)))
        for i, choices in enumerate(DEPTHS):
            genes.append(Gene(f"depth.s{i + 1}", tuple(choices), at_least="attention" if i >= 2 else None))
            genes.append(Gene(f"expansion.s{i + 1}", EXPANSION, per=f"depth.s{i + 1}"))
        return genes

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (widths, expansions, attention, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {f"width.s{i + 1}": width for i, width in enumerate(widths)}
            for i, expansion in enumerate(expansions):
                genes |= {f"depth.s{i + 1}": len(expansion), f"expansion.s{i + 1}": tuple(map(float, expansion))}
            counts = Published({**genes, "attention": attention}, num_params, macs)
            found[name] = counts if self.distilled else without_teacher(counts, widths[3])
        return found

    def sites(self) -> Sequence[Site]:
        require_tokens_to_mix(self.name, self.task)
        sites = [Site("stem", ("width.s1",), partial(stem, self.task, act="gelu"))]
        for stage in range(1, 5):
            width, depth = f"width.s{stage}", f"depth.s{stage}"
            side = stage_side(self.task, stage)
            if stage > 1:
                transition = partial(_attention_downsampling if stage == 4 else downsampling, self.task, stage)
                sites.append(Site(f"stage{stage}_downsampling", (f"width.s{stage - 1}", width), transition))
            for block in range(max(DEPTHS[stage - 1])):
                name = f"stage{stage}_block{block}"
                if stage >= 3:
                    mixer = partial(_attention, side, 2 if stage == 3 else 1, block)
                    sites.append(Site(f"{name}_attention", (width, depth, "attention"), mixer))
                sites.append(Site(f"{name}_ffn", (width, f"expansion.s{stage}[{block}]"), partial(_ffn, side)))
        return [*sites, Site("head", ("width.s4",), partial(head, self.task, "batch", self.distilled))]


def _attention(side: int, stride: int, block: int, width: int, depth: int, attention: int) -> LayerSpec | None:
    if not depth - attention <= block < depth:
        return None
    shape = (width, side, side)
    return LayerSpec.of("talking_attention", shape, shape, heads=8, key_width=32, value_width=128, stride=stride)


def _ffn(side: int, width: int, expansion: float) -> LayerSpec:
    shape = (width, side, side)
    return LayerSpec.of("meta_feed_forward", shape, shape, hidden=int(width * expansion), depthwise=True)


def _attention_downsampling(task: Task, stage: int, before: int, width: int) -> LayerSpec:
    wide, side = stage_side(task, stage - 1), stage_side(task, stage)
    shapes = (before, wide, wide), (width, side, side)
    return LayerSpec.of("attention_downsampling", *shapes, heads=8, key_width=16, value_width=64)


def efficientformerv2(task: Task = Task(), distilled: bool = True) -> EfficientFormerV2:
    """Between a network smaller than EfficientFormerV2-S0 and L."""
    return EfficientFormerV2("efficientformerv2", task, distilled)
