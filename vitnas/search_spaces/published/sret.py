"""SReT (Shen et al., 2022): sliced recursive transformers, whose blocks are passed twice with the same weights.

The published networks pass every block twice; here each block has its own number of passes, which costs no weights but
those of the FFN that every pass has for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.errors import SpaceError
from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.stages import StagedSpace, map_shape, per_stage, stage_by_stage, stage_values
from vitnas.search_spaces.space import Published, Task

DEPTHS = ((1, 2, 3), (3, 4, 5, 6), (2, 3, 4))
LOOPS = (1, 2, 3)
SLICES = ((8, 2), (4, 1), (1, 1))
"""Of each stage: into how many slices the first pass cuts the map, and the others."""

NETWORKS: Mapping[str, tuple[int, int, float, float, int, int]] = {
    "SReT-T": (32, 2, 3.6, 1.0, 4_755_979, 1_112_444_672),
    "SReT-LT": (32, 2, 4.0, 1.0, 4_988_024, 1_164_477_184),
    "SReT-S": (42, 3, 3.0, 2.0, 20_899_692, 4_172_819_112),
}
"""Head width, heads of the first stage, FFN ratio, that of the FFN of every pass, parameters and MACs."""


@dataclass(frozen=True, eq=False)
class SReT(StagedSpace):
    """Three convolutions with positions, then three stages of recursive blocks, each stage twice as wide as the one before."""

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        if self.task.side % 32 or self.task.side < 64:
            near = max(2, round(self.task.side / 32)) * 32
            raise SpaceError(
                f"space '{self.name}': image size {self.task.side} is not a multiple of 32 of at least 64, as three stages "
                f"of whole maps need; the nearest that is: {near}"
            )
        stages = stage_by_stage(per_stage("depth", DEPTHS), per_stage("loops", [LOOPS] * len(DEPTHS), per="depth"))
        sizes = [Gene("head_width", (32, 42)), Gene("heads", (2, 3))]
        return [*sizes, Gene("mlp_ratio", (3.0, 3.6, 4.0)), Gene("pass_ratio", (1.0, 2.0)), *stages]

    def published(self) -> Mapping[str, Published]:
        depths = (2, 5, 3)
        stages = stage_values(depth=depths, loops=[(2,) * depth for depth in depths])
        found = {}
        for name, (head_width, heads, ratio, pass_ratio, num_params, macs) in NETWORKS.items():
            sizes: dict[str, GeneValue] = {
                "head_width": head_width,
                "heads": heads,
                "mlp_ratio": ratio,
                "pass_ratio": pass_ratio,
            }
            found[name] = Published(sizes | stages, num_params, macs)
        return found

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("head_width", "heads"), self._stem)]

    def transition(self, stage: int) -> Site:
        return Site(f"stage{stage}_downsampling", ("head_width", "heads"), partial(self._downsampling, stage))

    def block(self, stage: int, block: int) -> Sequence[Site]:
        genes = ("head_width", "heads", "mlp_ratio", "pass_ratio", f"loops.s{stage}[{block}]")
        return [Site(f"stage{stage}_block{block}", genes, partial(self._block, stage))]

    def head(self) -> Site:
        return Site("head", ("head_width", "heads"), self._head)

    def shape(self, stage: int, head_width: int, heads: int) -> Shape:
        return map_shape(head_width * heads << (stage - 1), self.task.side, 4 << stage)

    def _stem(self, head_width: int, heads: int) -> LayerSpec:
        first = self.shape(1, head_width, heads)
        widths = {"width0": first[0] // 2, "width1": first[0]}
        return LayerSpec.of(
            "stacked_stem",
            self.task.image_shape,
            first,
            strides="222",
            act="relu",
            act_last=True,
            bias=True,
            positions=True,
            **widths,
        )

    def _downsampling(self, stage: int, head_width: int, heads: int) -> LayerSpec:
        shapes = self.shape(stage - 1, head_width, heads), self.shape(stage, head_width, heads)
        return LayerSpec.of("depthwise_downsampling", *shapes)

    def _block(self, stage: int, head_width: int, heads: int, ratio: float, pass_ratio: float, loops: int) -> LayerSpec:
        shape = self.shape(stage, head_width, heads)
        width = shape[0]
        slices = ".".join(map(str, SLICES[stage - 1]))
        return LayerSpec.of(
            "recursive_block",
            shape,
            shape,
            heads=heads << (stage - 1),
            head_width=head_width,
            hidden=int(width * ratio),
            loops=loops,
            projection=int(width * pass_ratio),
            slices=slices,
        )

    def _head(self, head_width: int, heads: int) -> LayerSpec:
        last, classes = self.shape(len(DEPTHS), head_width, heads), (self.task.num_classes,)
        return LayerSpec.of("map_classifier", last, classes, norm="layer-1e-6", pool_first=True, distilled=False)


def sret(task: Task = Task()) -> SReT:
    """Between a network smaller than SReT-T and one larger than SReT-S."""
    return SReT("sret", task)
