"""ConvNeXt (Liu et al., 2022): four stages of depthwise convolutions with an FFN in the same residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_by_stage, stage_values
from vitnas.search_spaces.space import Published, Task

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
class ConvNeXt(FourStages):
    """Four stages, each with its width and depth; a kernel and an FFN ratio for every block."""

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        self.require_whole_halves()
        return stage_by_stage(
            per_stage("width", [[width << i for width in FIRST_WIDTHS] for i in range(4)]),
            per_stage("depth", DEPTHS),
            per_stage("kernel", [KERNELS] * 4, per="depth"),
            per_stage("mlp_ratio", [RATIOS] * 4, per="depth"),
        )

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (width, depths, num_params, macs) in WINNERS.items():
            genes = stage_values(
                width=[width << i for i in range(4)],
                depth=depths,
                kernel=[(7,) * depth for depth in depths],
                mlp_ratio=[(4,) * depth for depth in depths],
            )
            found[name] = Published(genes, num_params, macs)
        return found

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), self._stem)]

    def transition(self, stage: int) -> Site:
        return self.downsampling(stage, "downsampling", "layernorm_downsampling", kernel=2, norm="first")

    def block(self, stage: int, block: int) -> Sequence[Site]:
        genes = (f"width.s{stage}", f"kernel.s{stage}[{block}]", f"mlp_ratio.s{stage}[{block}]")
        return [Site(f"stage{stage}_block{block}", genes, partial(self._block, stage))]

    def head(self) -> Site:
        return Site("head", ("width.s4",), partial(self.classifier, norm="layer-1e-6", pool_first=True))

    def _stem(self, width: int) -> LayerSpec:
        shapes = self.task.image_shape, self.shape(1, width)
        return LayerSpec.of("map_stem", *shapes, kernels="4", strides="4", hidden=0, norm="layer-1e-6")

    def _block(self, stage: int, width: int, kernel: int, ratio: int) -> LayerSpec:
        shape = self.shape(stage, width)
        return LayerSpec.of("convnext_block", shape, shape, kernel=kernel, hidden=width * ratio)


def convnext(task: Task = Task()) -> ConvNeXt:
    """From ConvNeXt-Atto, with smaller kernels and ratios as well, to ConvNeXt-B."""
    return ConvNeXt("convnext", task)
