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

from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.halving_stages import require_tokens_to_mix, stage_side
from vitnas.search_spaces.space import SearchSpace, Task

STAGES = (1, 2, 3, 4)
WIDTHS = ((64, 96), (128, 160, 192), (256, 320, 384), (512, 640, 768))
CONVOLUTIONS = ((2, 3), (2, 3, 4), (2, 3, 4, 6), (1, 2))
"""At least one a stage: attention follows a block that tells places apart, as it knows no positions itself."""
ATTENTIONS = ((0,), (0, 1, 2), (0, 1, 2, 4, 6), (0, 1, 2, 4, 6))
"""None on the first map, where all pairs of 56x56 places would outweigh the rest of the network."""
RATIOS = (2, 3, 4)
HEAD_WIDTH = 32


@dataclass(frozen=True, eq=False)
class AsCAN(SearchSpace):
    """Four stages on maps; ``convolutions.si`` blocks of one kind, then ``attentions.si`` of the other.

    ``ratio.si`` is that of both kinds in stage i: channels of the bottleneck and of the FFN as a multiple of the width.
    """

    def genes(self) -> Sequence[Gene]:
        genes = []
        for i, width, convolutions, attentions in zip(STAGES, WIDTHS, CONVOLUTIONS, ATTENTIONS, strict=True):
            genes += [
                Gene(f"width.s{i}", width),
                Gene(f"ratio.s{i}", RATIOS),
                Gene(f"convolutions.s{i}", convolutions),
                Gene(f"attentions.s{i}", attentions, at_least=f"attentions.s{i - 1}" if i > 1 else None),
            ]
        return genes

    def sites(self) -> Sequence[Site]:
        require_tokens_to_mix(self.name, self.task)
        sites = [Site("stem", ("width.s1",), partial(_stem, self.task))]
        for i in STAGES:
            side, width = stage_side(self.task, i), f"width.s{i}"
            if i > 1:
                downsampling = partial(_downsampling, stage_side(self.task, i - 1), side)
                sites.append(Site(f"stage{i}_downsampling", (f"width.s{i - 1}", width), downsampling))
            for n in range(max(CONVOLUTIONS[i - 1])):
                genes: tuple[str, ...] = (width, f"convolutions.s{i}", f"ratio.s{i}")
                sites.append(Site(f"stage{i}_convolution{n}", genes, partial(_convolution, side, n)))
            for n in range(max(ATTENTIONS[i - 1])):
                genes = (width, f"attentions.s{i}")
                sites.append(Site(f"stage{i}_attention{n}", genes, partial(_attention, side, n)))
                sites.append(Site(f"stage{i}_ffn{n}", (*genes, f"ratio.s{i}"), partial(_ffn, side, n)))
        return [*sites, Site("head", ("width.s4",), partial(_head, self.task))]


def _map(side: int, width: int) -> Shape:
    return (width, side, side)


def _stem(task: Task, width: int) -> LayerSpec:
    image = (task.in_channels, task.image_size, task.image_size)
    shape = _map(stage_side(task, 1), width)
    return LayerSpec.of(
        "stacked_stem", image, shape, strides="22", width0=width // 2, act="silu", act_last=True, bias=False
    )


def _downsampling(wide: int, side: int, before: int, width: int) -> LayerSpec:
    return LayerSpec.of("downsample_conv", _map(wide, before), _map(side, width))


def _convolution(side: int, n: int, width: int, convolutions: int, ratio: int) -> LayerSpec | None:
    if n >= convolutions:
        return None
    shape = _map(side, width)
    return LayerSpec.of("fused_mbconv", shape, shape, hidden=width * ratio, squeeze=width // 4, act="silu")


def _attention(side: int, n: int, width: int, attentions: int) -> LayerSpec | None:
    if n >= attentions:
        return None
    shape = _map(side, width)
    return LayerSpec.of("map_attention", shape, shape, heads=width // HEAD_WIDTH, head_width=HEAD_WIDTH)


def _ffn(side: int, n: int, width: int, attentions: int, ratio: int) -> LayerSpec | None:
    if n >= attentions:
        return None
    shape = _map(side, width)
    return LayerSpec.of("map_feed_forward", shape, shape, hidden=width * ratio, layer_scale=False)


def _head(task: Task, width: int) -> LayerSpec:
    return LayerSpec.of(
        "map_classifier",
        _map(stage_side(task, 4), width),
        (task.num_classes,),
        norm="layer",
        pool_first=True,
        distilled=False,
    )


def ascan(task: Task = Task()) -> AsCAN:
    """From a convolutional network to one with six attention blocks in each late stage; from 33 px on."""
    return AsCAN("ascan", task)
