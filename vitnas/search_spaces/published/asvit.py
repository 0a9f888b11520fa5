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

from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_by_stage, stage_values
from vitnas.search_spaces.space import Published, Task

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
class AsViT(FourStages):
    """Four stages of window attention whose width doubles from stage to stage, up to 1024.

    ``width`` is that of the first stage and ``heads`` the number in the last, halved in every stage before it.
    """

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        stages = stage_by_stage(
            per_stage("depth", DEPTHS),
            per_stage("kernel", KERNELS),
            per_stage("window", WINDOWS),
            per_stage("ratio", [RATIOS] * 4),
        )
        return [Gene("width", WIDTHS), Gene("heads", HEADS), *stages]

    def published(self) -> Mapping[str, Published]:
        topology = stage_values(kernel=(8, 4, 4, 4), window=(0.5, 1.0, 1.0, 1.0), ratio=(3, 2, 4, 6)) | {"heads": 32}
        return {
            name: Published({**topology, "width": width, **stage_values(depth=depths)}, num_params, gmacs * 1e9)
            for name, (width, depths, num_params, gmacs) in WINNERS.items()
        }

    def sites(self) -> Sequence[Site]:
        self.require_whole_halves()
        return super().sites()

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width", "kernel.s1"), self._stem)]

    def transition(self, stage: int) -> Site:
        return Site(f"stage{stage}_merging", ("width", f"kernel.s{stage}"), partial(self._merging, stage))

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, genes = f"stage{stage}_block{block}", (f"depth.s{stage}", "width")
        attention = partial(self._attention, stage, block)
        return [
            Site(f"{name}_attention", (*genes, "heads", f"window.s{stage}"), attention),
            Site(f"{name}_ffn", (*genes, f"ratio.s{stage}"), partial(self._ffn, stage, block)),
        ]

    def head(self) -> Site:
        return Site("head", ("width",), self._head)

    def shape(self, stage: int, width: int) -> Shape:
        """Of a stage when the first has `width`."""
        return super().shape(stage, min(WIDEST, width << (stage - 1)))

    def _stem(self, width: int, kernel: int) -> LayerSpec:
        return LayerSpec.of("padded_stem", self.task.image_shape, self.shape(1, width), kernel=kernel, stride=4)

    def _merging(self, stage: int, width: int, kernel: int) -> LayerSpec:
        shapes = self.shape(stage - 1, width), self.shape(stage, width)
        return LayerSpec.of("overlapping_merging", *shapes, kernel=kernel)

    def _attention(self, stage: int, block: int, depth: int, width: int, heads: int, window: float) -> LayerSpec | None:
        shape, own_heads = self.shape(stage, width), heads >> (4 - stage)
        if block >= depth:
            return None
        return LayerSpec.of(
            "unbiased_window_attention",
            shape,
            shape,
            heads=own_heads,
            head_width=shape[0] // own_heads,
            window=int(self.side(stage) * window),
        )

    def _ffn(self, stage: int, block: int, depth: int, width: int, ratio: int) -> LayerSpec | None:
        shape = self.shape(stage, width)
        if block >= depth:
            return None
        return LayerSpec.of("map_feed_forward", shape, shape, hidden=shape[0] * ratio, layer_scale=False)

    def _head(self, width: int) -> LayerSpec:
        return LayerSpec.of("tanh_classifier", self.shape(4, width), (self.task.num_classes,))


def asvit(task: Task = Task()) -> AsViT:
    """From the seed network of 2.3 million parameters to one somewhat larger than As-ViT-L; from 64 px on."""
    return AsViT("asvit", task)
