"""As-ViT (Chen et al., 2022): a topology searched without training on a thin seed network, then scaled up.

A topology is the kernel of the patch embedding and of each merging, the window, the FFN ratio and the heads of every
stage: 4,556,250 of them, at width 32 and one block a stage the seed space itself. Scaling adds blocks and width.

The published windows are numbers of splits of the map's side; here they are the share of the side that is left, so that
they stand from the least to the most costly. Head widths are rounded down, as published: attention is narrower than the
network where the heads do not divide it. Where an odd number of zeros surrounds a map, more of them come first. The
genotypes of Small and Base are recalled, but count as they should. The notes on the paper have As-ViT-L at 88.1
million parameters and 22.6 GMACs by a counter of its own; the released code gives the counts here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.errors import SpaceError
from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.halving_stages import stage_side
from vitnas.search_spaces.space import Published, SearchSpace, Task

STAGES = (1, 2, 3, 4)
WIDTHS = (32, 48, 64, 88, 116, 148, 180, 192)
WIDEST = 1024
DEPTHS = (range(1, 7), range(1, 5), range(1, 8), range(1, 5))
KERNELS = ((4, 5, 6, 7, 8), (2, 3, 4), (2, 3, 4), (2, 3, 4))
WINDOWS = ((0.125, 0.25, 0.5), (0.25, 0.5, 1.0), (0.5, 1.0), (1.0,))
RATIOS = (2, 3, 4, 5, 6)
HEADS = (16, 32, 64)

WINNERS: Mapping[str, tuple[int, Sequence[int], int, float]] = {
    "As-ViT-seed": (32, (1, 1, 1, 1), 2_319_624, 0.4915),
    "As-ViT-S": (88, (3, 1, 4, 2), 28_775_328, 5.1321),
    "As-ViT-B": (116, (3, 1, 5, 2), 52_258_652, 8.7537),
    "As-ViT-L": (180, (5, 2, 5, 2), 87_580_820, 22.3578),
}
"""Width, depths, parameters and GMACs; all share one topology."""


@dataclass(frozen=True, eq=False)
class AsViT(SearchSpace):
    """Four stages of window attention whose width doubles from stage to stage, up to 1024.

    ``width`` is that of the first stage and ``heads`` the number in the last, halved in every stage before it.
    """

    def genes(self) -> Sequence[Gene]:
        genes = [Gene("width", WIDTHS), Gene("heads", HEADS)]
        for i, depth, kernel, window in zip(STAGES, DEPTHS, KERNELS, WINDOWS, strict=True):
            genes += [
                Gene(f"depth.s{i}", tuple(depth)),
                Gene(f"kernel.s{i}", kernel),
                Gene(f"window.s{i}", window),
                Gene(f"ratio.s{i}", RATIOS),
            ]
        return genes

    def published(self) -> Mapping[str, Published]:
        topology = {"kernel": (8, 4, 4, 4), "window": (0.5, 1.0, 1.0, 1.0), "ratio": (3, 2, 4, 6)}
        found = {}
        for name, (width, depths, num_params, gmacs) in WINNERS.items():
            genes: dict[str, GeneValue] = {"width": width, "heads": 32}
            for gene, values in (("depth", depths), *topology.items()):
                genes |= {f"{gene}.s{i}": value for i, value in zip(STAGES, values, strict=True)}
            found[name] = Published(genes, num_params, gmacs * 1e9)
        return found

    def sites(self) -> Sequence[Site]:
        size = self.task.image_size
        if size % 32 or size < 64:
            raise SpaceError(
                f"space '{self.name}': image size {size} is not a multiple of 32 from 64 on, as its windows need; the "
                f"nearest that is: {max(2, round(size / 32)) * 32}"
            )
        sites = [Site("stem", ("width", "kernel.s1"), partial(_stem, self.task))]
        for i in STAGES:
            side = stage_side(self.task, i)
            if i > 1:
                sites.append(Site(f"stage{i}_merging", ("width", f"kernel.s{i}"), partial(_merging, i, side)))
            for n in range(max(DEPTHS[i - 1])):
                name, genes = f"stage{i}_block{n}", (f"depth.s{i}", "width")
                attention = partial(_attention, i, side, n)
                sites.append(Site(f"{name}_attention", (*genes, "heads", f"window.s{i}"), attention))
                sites.append(Site(f"{name}_ffn", (*genes, f"ratio.s{i}"), partial(_ffn, i, side, n)))
        return [*sites, Site("head", ("width",), partial(_head, self.task))]


def _width(stage: int, width: int) -> int:
    """Channels of a stage; the first has `width`."""
    return min(WIDEST, width << (stage - 1))


def _stem(task: Task, width: int, kernel: int) -> LayerSpec:
    image, side = (task.in_channels, task.image_size, task.image_size), stage_side(task, 1)
    return LayerSpec.of("padded_stem", image, (width, side, side), kernel=kernel, stride=4)


def _merging(stage: int, side: int, width: int, kernel: int) -> LayerSpec:
    wide, narrow = (_width(stage - 1, width), 2 * side, 2 * side), (_width(stage, width), side, side)
    return LayerSpec.of("overlapping_merging", wide, narrow, kernel=kernel)


def _attention(
    stage: int, side: int, block: int, depth: int, width: int, heads: int, window: float
) -> LayerSpec | None:
    shape, own_heads = (_width(stage, width), side, side), heads >> (4 - stage)
    if block >= depth:
        return None
    return LayerSpec.of(
        "unbiased_window_attention",
        shape,
        shape,
        heads=own_heads,
        head_width=shape[0] // own_heads,
        window=int(side * window),
    )


def _ffn(stage: int, side: int, block: int, depth: int, width: int, ratio: int) -> LayerSpec | None:
    shape = (_width(stage, width), side, side)
    if block >= depth:
        return None
    return LayerSpec.of("map_feed_forward", shape, shape, hidden=shape[0] * ratio, layer_scale=False)


def _head(task: Task, width: int) -> LayerSpec:
    side = stage_side(task, 4)
    return LayerSpec.of("tanh_classifier", (_width(4, width), side, side), (task.num_classes,))


def asvit(task: Task = Task()) -> AsViT:
    """From the seed network of 2.3 million parameters to one somewhat larger than As-ViT-L; from 64 px on."""
    return AsViT("asvit", task)
