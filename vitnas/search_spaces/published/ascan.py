"""AsCAN (Kag et al., 2024): convolution and attention placed asymmetrically, many of one early, many of the other late.

Whole stages do not switch from one kind to the other: a stage has convolution blocks and then attention blocks, and no
stage has fewer attention blocks than the one before it. A block of convolution is a fused inverted bottleneck with
excitation, one of attention is softmax attention over the whole map with an FFN. The paper's own layouts and counts are not
at hand, so no network here is called published: stem, downsampling, widths, depths and ratios are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import STAGES, FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_by_stage, when_deeper
from vitnas.search_spaces.space import Task

WIDTHS = ((64, 96), (128, 160, 192), (256, 320, 384), (512, 640, 768))
CONVOLUTIONS = ((2, 3), (2, 3, 4), (2, 3, 4, 6), (1, 2))
"""At least one a stage: attention follows a block that tells places apart, as it knows no positions itself."""
ATTENTIONS = ((0,), (0, 1, 2), (0, 1, 2, 4, 6), (0, 1, 2, 4, 6))
"""None on the first map, where all pairs of 56x56 places would outweigh the rest of the network."""
RATIOS = (2, 3, 4)
HEAD_WIDTH = 32


@dataclass(frozen=True, eq=False)
class AsCAN(FourStages):
    """Four stages on maps; ``convolutions.si`` blocks of one kind, then ``attentions.si`` of the other.

    ``ratio.si`` is that of both kinds in stage i: channels of the bottleneck and of the FFN as a multiple of the width.
    """

    deepest = tuple(max(pair[0]) + max(pair[1]) for pair in zip(CONVOLUTIONS, ATTENTIONS, strict=True))

    def genes(self) -> Sequence[Gene]:
        attentions = [
            Gene(f"attentions.s{i}", choices, at_least=f"attentions.s{i - 1}" if i > 1 else None)
            for i, choices in zip(STAGES, ATTENTIONS, strict=True)
        ]
        return stage_by_stage(
            per_stage("width", WIDTHS),
            per_stage("ratio", [RATIOS] * 4),
            per_stage("convolutions", CONVOLUTIONS),
            attentions,
        )

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), partial(self.two_convolutions, act="silu", act_last=True, bias=False))]

    def transition(self, stage: int) -> Site:
        return self.downsampling(stage, "downsampling", "downsample_conv")

    def block(self, stage: int, block: int) -> Sequence[Site]:
        n = block - max(CONVOLUTIONS[stage - 1])
        width, ratio = f"width.s{stage}", f"ratio.s{stage}"
        if n < 0:
            convolution = when_deeper(block, partial(self._convolution, stage))
            return [Site(f"stage{stage}_convolution{block}", (width, f"convolutions.s{stage}", ratio), convolution)]
        genes = (width, f"attentions.s{stage}")
        attention, ffn = (when_deeper(n, partial(layer, stage)) for layer in (self._attention, self._ffn))
        return [
            Site(f"stage{stage}_attention{n}", genes, attention),
            Site(f"stage{stage}_ffn{n}", (*genes, ratio), ffn),
        ]

    def head(self) -> Site:
        return Site("head", ("width.s4",), partial(self.classifier, norm="layer", pool_first=True))

    def _convolution(self, stage: int, width: int, ratio: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("fused_mbconv", shape, shape, hidden=width * ratio, squeeze=width // 4, act="silu")

    def _attention(self, stage: int, width: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("map_attention", shape, shape, heads=width // HEAD_WIDTH, head_width=HEAD_WIDTH)

    def _ffn(self, stage: int, width: int, ratio: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("map_feed_forward", shape, shape, hidden=width * ratio, layer_scale=False)


def ascan(task: Task = Task()) -> AsCAN:
    """From a convolutional network to one with six attention blocks in each late stage; from 33 px on."""
    return AsCAN("ascan", task)
