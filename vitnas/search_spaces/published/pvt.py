"""PVT v2 (Wang et al., 2022): four stages of attention to a smaller map, and FFNs with a depthwise convolution."""

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
class PVTv2(SearchSpace):
    """Four stages, each with its heads, depth and map of keys, and an FFN ratio for every block.

    The width of a stage is its heads times the width of a head. `keys` is the side of the map that keys and values come
    from: what remains of the stage's map, 7 everywhere in the published networks. Larger maps of keys cost more MACs; as
    the convolution that makes them has a smaller kernel, they cost fewer parameters. With `reduction` "pooled" (the
    linear form, PVTv2-Li) they are averaged instead, so all sizes share their weights.
    """

    def genes(self) -> Sequence[Gene]:
        require_whole_halves(self.name, self.task)
        genes = [Gene("head_width", HEAD_WIDTHS), Gene("reduction", (POOLED, CONVOLVED))]
        for i, (heads, depths, ratios) in enumerate(zip(HEADS, DEPTHS, RATIOS, strict=True)):
            s = f"s{i + 1}"
            genes += [
                Gene(f"heads.{s}", heads),
                Gene(f"depth.{s}", depths),
                Gene(f"keys.{s}", self._keys(i + 1)),
                Gene(f"mlp_ratio.{s}", ratios, per=f"depth.{s}"),
            ]
        return genes

    def _keys(self, stage: int) -> tuple[int, ...]:
        """As large as the last map, or twice that; the last stage keeps its map whole."""
        last = stage_side(self.task, 4)
        return (last,) if stage == 4 else (last, 2 * last)

    def published(self) -> Mapping[str, Published]:
        found = {}
        for name, (head_width, depths, ratio, reduction, num_params, macs) in WINNERS.items():
            genes: dict[str, GeneValue] = {"head_width": head_width, "reduction": reduction}
            for i, (heads, depth) in enumerate(zip((1, 2, 5, 8), depths, strict=True)):
                s = f"s{i + 1}"
                genes |= {f"heads.{s}": heads, f"depth.{s}": depth, f"keys.{s}": stage_side(self.task, 4)}
                genes[f"mlp_ratio.{s}"] = (ratio if i < 2 else 4,) * depth
            found[name] = Published(genes, num_params, macs)
        return found

    def sites(self) -> Sequence[Site]:
        sites = [Site("stem", ("head_width", "heads.s1"), partial(_stem, self.task))]
        for stage, depths in enumerate(DEPTHS, 1):
            side, s = stage_side(self.task, stage), f"s{stage}"
            width: tuple[str, ...] = ("head_width", f"heads.{s}")
            if stage > 1:
                genes = (*width, f"heads.s{stage - 1}")
                sites.append(Site(f"stage{stage}_embedding", genes, partial(_embedding, self.task, stage)))
            for block in range(max(depths)):
                name = f"stage{stage}_block{block}"
                genes = (*width, f"depth.{s}", f"keys.{s}", "reduction")
                sites.append(Site(f"{name}_pooled", genes, partial(_pooled, side, block)))
                for keys in self._keys(stage):  # kernels of different reductions share no weights
                    spec = partial(_convolved, side, block, keys)
                    sites.append(Site(f"{name}_reduced{side // keys}", genes, spec))
                genes = (*width, f"mlp_ratio.{s}[{block}]", "reduction")
                sites.append(Site(f"{name}_ffn", genes, partial(_ffn, side)))
        return [*sites, Site("head", ("head_width", "heads.s4"), partial(_head, self.task))]


def _stem(task: Task, head_width: int, heads: int) -> LayerSpec:
    image, side = (task.in_channels, task.image_size, task.image_size), stage_side(task, 1)
    shape = (head_width * heads, side, side)
    return LayerSpec.of("map_stem", image, shape, kernels="7", strides="4", hidden=0, norm="none")


def _embedding(task: Task, stage: int, head_width: int, heads: int, heads_before: int) -> LayerSpec:
    wide, side = stage_side(task, stage - 1), stage_side(task, stage)
    shapes = (head_width * heads_before, wide, wide), (head_width * heads, side, side)
    return LayerSpec.of("layernorm_downsampling", *shapes, kernel=3, norm="both")


def _pooled(
    side: int, block: int, head_width: int, heads: int, depth: int, keys: int, reduction: str
) -> LayerSpec | None:
    if block >= depth or reduction != POOLED:
        return None
    return _attention("pooled_reduction_attention", side, head_width, heads, keys)


def _convolved(
    side: int, block: int, own_keys: int, head_width: int, heads: int, depth: int, keys: int, reduction: str
) -> LayerSpec | None:
    if block >= depth or reduction != CONVOLVED or keys != own_keys:
        return None
    return _attention("spatial_reduction_attention", side, head_width, heads, keys)


def _attention(kind: str, side: int, head_width: int, heads: int, keys: int) -> LayerSpec:
    shape = (head_width * heads, side, side)
    return LayerSpec.of(kind, shape, shape, heads=heads, head_width=head_width, reduction=side // keys)


def _ffn(side: int, head_width: int, heads: int, ratio: int, reduction: str) -> LayerSpec:
    width, rectified = head_width * heads, reduction == POOLED
    shape = (width, side, side)
    return LayerSpec.of("conv_feed_forward", shape, shape, hidden=width * ratio, kernel=3, rectified=rectified)


def _head(task: Task, head_width: int, heads: int) -> LayerSpec:
    side = stage_side(task, 4)
    return LayerSpec.of(
        "map_classifier",
        (head_width * heads, side, side),
        (task.num_classes,),
        norm="layer-1e-6",
        pool_first=False,
        distilled=False,
    )


def pvtv2(task: Task = Task()) -> PVTv2:
    """Between a network smaller than PVTv2-B0 and PVTv2-B5."""
    return PVTv2("pvtv2", task)
