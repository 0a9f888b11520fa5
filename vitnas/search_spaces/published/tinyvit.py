"""TinyViT (Wu et al., 2022): convolutions, then windows of attention; small models by contracting large ones.

The genes are the paper's contraction factors. All published models have heads of width 32, so that is
the only choice of `head_width` here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vitnas.search_spaces.arch import Arch, GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.halving_stages import require_tokens_to_mix, stage_side
from vitnas.search_spaces.space import Published, SearchSpace, Task

WIDTHS = (range(32, 97, 32), range(64, 193, 32), range(96, 385, 32), range(160, 577, 32))
DEPTHS = (range(1, 3), range(1, 3), range(2, 7), range(1, 3))
WINDOWS = {2: (7, 14), 3: (7, 14), 4: (7,)}
RATIOS = (2, 3, 4)

WINNERS: Mapping[str, tuple[Sequence[int], int, int]] = {
    "TinyViT-5M": ((64, 128, 160, 320), 5_392_764, 1_255_174_720),
    "TinyViT-11M": ((64, 128, 256, 448), 10_996_972, 2_016_046_144),
    "TinyViT-21M": ((96, 192, 384, 576), 21_198_568, 4_250_329_536),
}
"""Widths, parameters and MACs, for 1000 classes."""


@dataclass(frozen=True, eq=False)
class TinyViT(SearchSpace):
    """One stage of inverted bottlenecks and three of windowed attention, each block with a depthwise convolution.

    A window larger than the map of its stage is the whole map.

    Attributes:
        head_width: widths that an attention head may have; widths of a stage are multiples of them.
    """

    head_width: tuple[int, ...] = (32,)

    def genes(self) -> Sequence[Gene]:
        widths = [Gene(f"width.s{i + 1}", tuple(choices)) for i, choices in enumerate(WIDTHS)]
        depths = [Gene(f"depth.s{i + 1}", tuple(choices)) for i, choices in enumerate(DEPTHS)]
        windows = [Gene(f"window.s{stage}", choices) for stage, choices in WINDOWS.items()]
        ratios = [Gene("mbconv_ratio", RATIOS), Gene("mlp_ratio", RATIOS)]
        return (*widths, *depths, *windows, *ratios, Gene("head_width", self.head_width))

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (widths, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {f"width.s{i + 1}": width for i, width in enumerate(widths)}
            genes |= {"depth.s1": 2, "depth.s2": 2, "depth.s3": 6, "depth.s4": 2}
            genes |= {"window.s2": 7, "window.s3": 14, "window.s4": 7}
            genes |= {"mbconv_ratio": 4, "mlp_ratio": 4, "head_width": 32}
            found[name] = Published(genes, num_params, macs)
        return found

    def sites(self) -> Sequence[Site]:
        require_tokens_to_mix(self.name, self.task)
        sites = [Site("stem", ("width.s1",), partial(_stem, self.task))]
        for block in range(max(DEPTHS[0])):
            genes: tuple[str, ...] = ("width.s1", "depth.s1", "mbconv_ratio")
            sites.append(Site(f"stage1_block{block}_mbconv", genes, partial(_mbconv, stage_side(self.task, 1), block)))
        for stage in range(2, 5):
            width, depth = f"width.s{stage}", f"depth.s{stage}"
            side = stage_side(self.task, stage)
            merging = partial(_merging, self.task, stage)
            sites.append(Site(f"stage{stage}_merging", (f"width.s{stage - 1}", width), merging))
            for block in range(max(DEPTHS[stage - 1])):
                name = f"stage{stage}_block{block}"
                genes = (width, depth, f"window.s{stage}", "head_width")
                sites.append(Site(f"{name}_attention", genes, partial(_attention, side, block)))
                sites.append(Site(f"{name}_local", (width, depth), partial(_local, side, block)))
                sites.append(Site(f"{name}_ffn", (width, depth, "mlp_ratio"), partial(_ffn, side, block)))
        return [*sites, Site("head", ("width.s4",), partial(_head, self.task))]

    def contractions(self, arch: Arch) -> list[Arch]:
        """The archs with one factor a step smaller: the candidates of one round of constrained down-scaling.

        The paper starts from a large model and keeps, round after round, the best of those that meet its limits.
        """
        codes = np.repeat(self.encode([arch]), len(self.columns), axis=0)
        smaller = codes - np.eye(len(self.columns), dtype=np.int16)
        return self.decode(smaller[(smaller >= 0).all(axis=1)])


def _stem(task: Task, width: int) -> LayerSpec:
    image = (task.in_channels, task.image_size, task.image_size)
    side = stage_side(task, 1)
    return LayerSpec.of(
        "stacked_stem",
        image,
        (width, side, side),
        strides="22",
        width0=width // 2,
        act="gelu",
        act_last=False,
        bias=False,
    )


def _mbconv(side: int, block: int, width: int, depth: int, ratio: int) -> LayerSpec | None:
    shape = (width, side, side)
    return LayerSpec.of("postact_mbconv", shape, shape, hidden=width * ratio) if block < depth else None


def _merging(task: Task, stage: int, before: int, width: int) -> LayerSpec:
    wide, side = stage_side(task, stage - 1), stage_side(task, stage)
    return LayerSpec.of("conv_merging", (before, wide, wide), (width, side, side))


def _attention(side: int, block: int, width: int, depth: int, window: int, head_width: int) -> LayerSpec | None:
    if block >= depth:
        return None
    shape = (width, side, side)
    heads, window = width // head_width, min(window, side)
    widths = {"key_width": head_width, "value_width": head_width}
    return LayerSpec.of("offset_attention", shape, shape, heads=heads, window=window, layer_scale=False, **widths)


def _local(side: int, block: int, width: int, depth: int) -> LayerSpec | None:
    shape = (width, side, side)
    return LayerSpec.of("depthwise_conv", shape, shape, kernel=3) if block < depth else None


def _ffn(side: int, block: int, width: int, depth: int, ratio: int) -> LayerSpec | None:
    shape = (width, side, side)
    if block >= depth:
        return None
    return LayerSpec.of("map_feed_forward", shape, shape, hidden=width * ratio, layer_scale=False)


def _head(task: Task, width: int) -> LayerSpec:
    side = stage_side(task, 4)
    return LayerSpec.of(
        "map_classifier", (width, side, side), (task.num_classes,), norm="layer", pool_first=True, distilled=False
    )


def tinyvit(task: Task = Task()) -> TinyViT:
    """Everything between a contracted TinyViT-5M and TinyViT-21M."""
    return TinyViT("tinyvit", task)
