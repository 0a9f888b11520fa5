"""ConvNeXt (Liu et al., 2022): four stages of depthwise convolutions with an FFN in the same residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.halving_stages import require_whole_halves, stage_side
from vitnas.search_spaces.space import Published, SearchSpace, Task

FIRST_WIDTHS = (40, 48, 64, 80, 96, 128)
"""Of stage 1; each stage chooses from the doubles of those before."""
DEPTHS = ((2, 3), (2, 3), (6, 8, 9, 18, 27), (2, 3))
KERNELS = (3, 5, 7)
RATIOS = (2, 3, 4)

WINNERS: Mapping[str, tuple[int, Sequence[int], int, int]] = {
    "ConvNeXt-Atto": (40, (2, 2, 6, 2), 3_695_520, 547_332_480),
    "ConvNeXt-Femto": (48, (2, 2, 6, 2), 5_217_784, 779_629_824),
    "ConvNeXt-Pico": (64, (2, 2, 6, 2), 9_045_672, 1_367_055_360),
    "ConvNeXt-Nano": (80, (2, 2, 8, 2), 15_593_560, 2_445_528_320),
    "ConvNeXt-T": (96, (3, 3, 9, 3), 28_589_128, 4_455_531_264),
    "ConvNeXt-S": (96, (3, 3, 27, 3), 50_223_688, 8_683_712_256),
    "ConvNeXt-B": (128, (3, 3, 27, 3), 88_591_464, 15_354_729_472),
}
"""Width of the first stage, depths, parameters and MACs; Atto to Nano are timm's."""


@dataclass(frozen=True, eq=False)
class ConvNeXt(SearchSpace):
    """Four stages, each with its width and depth; a kernel and an FFN ratio for every block."""

    def genes(self) -> Sequence[Gene]:
        require_whole_halves(self.name, self.task)
        genes = []
        for i, depths in enumerate(DEPTHS):
            s = f"s{i + 1}"
            genes += [
                Gene(f"width.{s}", tuple(width << i for width in FIRST_WIDTHS)),
                Gene(f"depth.{s}", depths),
                Gene(f"kernel.{s}", KERNELS, per=f"depth.{s}"),
                Gene(f"mlp_ratio.{s}", RATIOS, per=f"depth.{s}"),
            ]
        return genes

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (width, depths, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {}
            for i, depth in enumerate(depths):
                s = f"s{i + 1}"
                genes |= {f"width.{s}": width << i, f"depth.{s}": depth}
                genes |= {f"kernel.{s}": (7,) * depth, f"mlp_ratio.{s}": (4,) * depth}
            found[name] = Published(genes, num_params, macs)
        return found

    def sites(self) -> Sequence[Site]:
        sites = [Site("stem", ("width.s1",), partial(_stem, self.task))]
        for stage, depths in enumerate(DEPTHS, 1):
            side, s, width = stage_side(self.task, stage), f"s{stage}", f"width.s{stage}"
            if stage > 1:
                genes: tuple[str, ...] = (f"width.s{stage - 1}", width)
                sites.append(Site(f"stage{stage}_downsampling", genes, partial(_downsampling, self.task, stage)))
            for block in range(max(depths)):
                genes = (width, f"kernel.{s}[{block}]", f"mlp_ratio.{s}[{block}]")
                sites.append(Site(f"stage{stage}_block{block}", genes, partial(_block, side)))
        return [*sites, Site("head", ("width.s4",), partial(_head, self.task))]


def _stem(task: Task, width: int) -> LayerSpec:
    image, side = (task.in_channels, task.image_size, task.image_size), stage_side(task, 1)
    return LayerSpec.of("map_stem", image, (width, side, side), kernels="4", strides="4", hidden=0, norm="layer-1e-6")


def _downsampling(task: Task, stage: int, before: int, width: int) -> LayerSpec:
    wide, side = stage_side(task, stage - 1), stage_side(task, stage)
    return LayerSpec.of("layernorm_downsampling", (before, wide, wide), (width, side, side), kernel=2, norm="first")


def _block(side: int, width: int, kernel: int, ratio: int) -> LayerSpec:
    shape = (width, side, side)
    return LayerSpec.of("convnext_block", shape, shape, kernel=kernel, hidden=width * ratio)


def _head(task: Task, width: int) -> LayerSpec:
    side = stage_side(task, 4)
    return LayerSpec.of(
        "map_classifier", (width, side, side), (task.num_classes,), norm="layer-1e-6", pool_first=True, distilled=False
    )


def convnext(task: Task = Task()) -> ConvNeXt:
    """From ConvNeXt-Atto, with smaller kernels and ratios as well, to ConvNeXt-B."""
    return ConvNeXt("convnext", task)
