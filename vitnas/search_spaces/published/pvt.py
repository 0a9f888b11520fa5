"""PVT v2 (Wang et al., 2022): four stages of attention to a smaller map, and FFNs with a depthwise convolution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.four_stages import STAGES, FourStages
from vitnas.search_spaces.published.stages import per_stage, stage_by_stage, stage_values
from vitnas.search_spaces.space import Published, Task

HEAD_WIDTHS = (32, 48, 64)
HEADS = ((1, 2), (2, 3), (4, 5), (6, 8))
DEPTHS = ((2, 3), (2, 3, 4, 6, 8), (2, 4, 6, 10, 18, 27, 40), (2, 3))
RATIOS = ((4, 6, 8), (4, 6, 8), (2, 3, 4), (2, 3, 4))
POOLED, CONVOLVED = "pooled", "convolved"

WINNERS: Mapping[str, tuple[int, Sequence[int], int, str, int, int]] = {
    "PVTv2-B0": (32, (2, 2, 2, 2), 8, CONVOLVED, 3_666_760, 566_065_664),
    "PVTv2-B1": (64, (2, 2, 2, 2), 8, CONVOLVED, 14_009_000, 2_108_355_584),
    "PVTv2-B2-Li": (64, (3, 4, 6, 3), 8, POOLED, 22_553_512, 3_888_850_944),
    "PVTv2-B2": (64, (3, 4, 6, 3), 8, CONVOLVED, 25_362_856, 4_026_734_592),
    "PVTv2-B3": (64, (3, 4, 18, 3), 8, CONVOLVED, 45_238_696, 6_897_303_552),
    "PVTv2-B4": (64, (3, 8, 27, 3), 8, CONVOLVED, 62_556_072, 10_101_116_416),
    "PVTv2-B5": (64, (3, 6, 40, 3), 4, CONVOLVED, 81_956_008, 11_717_260_288),
}
"""Width of a head, depths, FFN ratio of the first two stages, reduction, parameters and MACs, at 224 px."""


@dataclass(frozen=True, eq=False)
class PVTv2(FourStages):
    """Four stages, each with its heads, depth and map of keys, and an FFN ratio for every block.

    The width of a stage is its heads times the width of a head. `keys` is the side of the map that keys and values come
    from: what remains of the stage's map, 7 everywhere in the published networks. Larger maps of keys cost more MACs; as
    the convolution that makes them has a smaller kernel, they cost fewer parameters. With `reduction` "pooled" (the
    linear form, PVTv2-Li) they are averaged instead, so all sizes share their weights.
    """

    deepest = tuple(map(max, DEPTHS))

    def genes(self) -> Sequence[Gene]:
        self.require_whole_halves()
        stages = stage_by_stage(
            per_stage("heads", HEADS),
            per_stage("depth", DEPTHS),
            per_stage("keys", map(self._keys, STAGES)),
            per_stage("mlp_ratio", RATIOS, per="depth"),
        )
        return [Gene("head_width", HEAD_WIDTHS), Gene("reduction", (POOLED, CONVOLVED)), *stages]

    def _keys(self, stage: int) -> tuple[int, ...]:
        """As large as the last map, or twice that; the last stage keeps its map whole."""
        last = self.side(4)
        return (last,) if stage == 4 else (last, 2 * last)

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (head_width, depths, ratio, reduction, num_params, macs) in WINNERS.items():
            ratios = (ratio, ratio, 4, 4)
            genes = stage_values(
                heads=(1, 2, 5, 8),
                depth=depths,
                keys=[self.side(4)] * 4,
                mlp_ratio=[(ratio,) * depth for ratio, depth in zip(ratios, depths, strict=True)],
            )
            found[name] = Published({"head_width": head_width, "reduction": reduction, **genes}, num_params, macs)
        return found

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("head_width", "heads.s1"), self._stem)]

    def transition(self, stage: int) -> Site:
        genes = ("head_width", f"heads.s{stage}", f"heads.s{stage - 1}")
        return Site(f"stage{stage}_embedding", genes, partial(self._embedding, stage))

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, width = f"stage{stage}_block{block}", ("head_width", f"heads.s{stage}")
        attention = (*width, f"depth.s{stage}", f"keys.s{stage}", "reduction")
        ffn = (*width, f"mlp_ratio.s{stage}[{block}]", "reduction")
        convolved = [  # kernels of different reductions share no weights
            Site(f"{name}_reduced{self.side(stage) // keys}", attention, partial(self._convolved, stage, block, keys))
            for keys in self._keys(stage)
        ]
        return [
            Site(f"{name}_pooled", attention, partial(self._pooled, stage, block)),
            *convolved,
            Site(f"{name}_ffn", ffn, partial(self._ffn, stage)),
        ]

    def head(self) -> Site:
        return Site("head", ("head_width", "heads.s4"), self._head)

    def _stem(self, head_width: int, heads: int) -> LayerSpec:
        shapes = self.task.image_shape, self.shape(1, head_width * heads)
        return LayerSpec.of("map_stem", *shapes, kernels="7", strides="4", hidden=0, norm="none")

    def _embedding(self, stage: int, head_width: int, heads: int, heads_before: int) -> LayerSpec:
        shapes = self.shape(stage - 1, head_width * heads_before), self.shape(stage, head_width * heads)
        return LayerSpec.of("layernorm_downsampling", *shapes, kernel=3, norm="both")

    def _pooled(
        self, stage: int, block: int, head_width: int, heads: int, depth: int, keys: int, reduction: str
    ) -> LayerSpec | None:
        if block >= depth or reduction != POOLED:
            return None
        return self._attention("pooled_reduction_attention", stage, head_width, heads, keys)

    def _convolved(
        self, stage: int, block: int, own_keys: int, head_width: int, heads: int, depth: int, keys: int, reduction: str
    ) -> LayerSpec | None:
        if block >= depth or reduction != CONVOLVED or keys != own_keys:
            return None
        return self._attention("spatial_reduction_attention", stage, head_width, heads, keys)

    def _attention(self, kind: str, stage: int, head_width: int, heads: int, keys: int) -> LayerSpec:
        shape, reduction = self.shape(stage, head_width * heads), self.side(stage) // keys
        return LayerSpec.of(kind, shape, shape, heads=heads, head_width=head_width, reduction=reduction)

    def _ffn(self, stage: int, head_width: int, heads: int, ratio: int, reduction: str) -> LayerSpec:
        width, rectified = head_width * heads, reduction == POOLED
        shape = self.shape(stage, width)
        return LayerSpec.of("conv_feed_forward", shape, shape, hidden=width * ratio, kernel=3, rectified=rectified)

    def _head(self, head_width: int, heads: int) -> LayerSpec:
        return self.classifier(head_width * heads, norm="layer-1e-6", pool_first=False)


def pvtv2(task: Task = Task()) -> PVTv2:
    """Between a network smaller than PVTv2-B0 and PVTv2-B5."""
    return PVTv2("pvtv2", task)
