"""TinyViT (Wu et al., 2022): convolutions, then windows of attention; small models by contracting large ones.

The genes are the paper's contraction factors. All published models have heads of width 32, so that is
the only choice of `head_width` here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_values, when_deeper
from vitnas.search_spaces.space import Published, Task

WIDTHS = (range(32, 97, 32), range(64, 193, 32), range(96, 385, 32), range(160, 577, 32))
DEPTHS = (range(1, 3), range(1, 3), range(2, 7), range(1, 3))
WINDOWS = ((7, 14), (7, 14), (7,))
"""Of stages 2 to 4."""
RATIOS = (2, 3, 4)

WINNERS: Mapping[str, tuple[Sequence[int], int, int]] = {
    "TinyViT-5M": ((64, 128, 160, 320), 5_392_764, 1_255_174_720),
    "TinyViT-11M": ((64, 128, 256, 448), 10_996_972, 2_016_046_144),
    "TinyViT-21M": ((96, 192, 384, 576), 21_198_568, 4_250_329_536),
}
"""Widths, parameters and MACs, for 1000 classes."""


@dataclass(frozen=True, eq=False)
class TinyViT(FourStages):
    """One stage of inverted bottlenecks and three of windowed attention, each block with a depthwise convolution.

    A window larger than the map of its stage is the whole map.

    Attributes:
        head_width: widths that an attention head may have; widths of a stage are multiples of them.
    """

    head_width: tuple[int, ...] = (32,)

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        return [
            *per_stage("width", WIDTHS),
            *per_stage("depth", DEPTHS),
            *per_stage("window", WINDOWS, first=2),
            Gene("mbconv_ratio", RATIOS),
            Gene("mlp_ratio", RATIOS),
            Gene("head_width", self.head_width),
        ]

    def published(self) -> Mapping[str, Published]:
        same = stage_values(depth=(2, 2, 6, 2)) | stage_values(first=2, window=(7, 14, 7))
        same |= {"mbconv_ratio": 4, "mlp_ratio": 4, "head_width": 32}
        return {
            name: Published(same | stage_values(width=widths), num_params, macs)
            for name, (widths, num_params, macs) in WINNERS.items()
        }

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), self._stem)]

    def transition(self, stage: int) -> Site:
        return self.downsampling(stage, "merging", "conv_merging")

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, genes = f"stage{stage}_block{block}", (f"width.s{stage}", f"depth.s{stage}")
        if stage == 1:
            return [Site(f"{name}_mbconv", (*genes, "mbconv_ratio"), when_deeper(block, self._mbconv))]
        attention, local, ffn = (
            when_deeper(block, partial(layer, stage)) for layer in (self._attention, self._local, self._ffn)
        )
        return [
            Site(f"{name}_attention", (*genes, f"window.s{stage}", "head_width"), attention),
            Site(f"{name}_local", genes, local),
            Site(f"{name}_ffn", (*genes, "mlp_ratio"), ffn),
        ]

    def head(self) -> Site:
        return Site("head", ("width.s4",), partial(self.classifier, norm="layer", pool_first=True))

    def contractions(self, arch: Arch) -> list[Arch]:
        """The archs with one factor a step smaller: the candidates of one round of constrained down-scaling.

        The paper starts from a large model and keeps, round after round, the best of those that meet its limits.
        """
        codes = np.repeat(self.encode([arch]), len(self.columns), axis=0)
        smaller = codes - np.eye(len(self.columns), dtype=np.int16)
        return self.decode(smaller[(smaller >= 0).all(axis=1)])

    def _stem(self, width: int) -> LayerSpec:
        return self.two_convolutions(width, act="gelu", act_last=False, bias=False)

    def _mbconv(self, width: int, ratio: int) -> LayerSpec:
        shape = self.shape(1, width)
        return LayerSpec.of("postact_mbconv", shape, shape, hidden=width * ratio)

    def _attention(self, stage: int, width: int, window: int, head_width: int) -> LayerSpec:
        shape, heads, window = self.shape(stage, width), width // head_width, min(window, self.side(stage))
        widths = {"key_width": head_width, "value_width": head_width}
        return LayerSpec.of("offset_attention", shape, shape, heads=heads, window=window, layer_scale=False, **widths)

    def _local(self, stage: int, width: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("depthwise_conv", shape, shape, kernel=3)

    def _ffn(self, stage: int, width: int, ratio: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("map_feed_forward", shape, shape, hidden=width * ratio, layer_scale=False)


def tinyvit(task: Task = Task()) -> TinyViT:
    """Everything between a contracted TinyViT-5M and TinyViT-21M."""
    return TinyViT("tinyvit", task)
