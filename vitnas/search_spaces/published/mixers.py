"""mixers: a pyramid of four stages in which every block chooses its own token mixer.

A mixer is offered to a stage only where its map allows it: windows divide the map, attention over all
pairs stays small, pooled maps keep at most 8x8 places. What a mixer needs besides its name (window,
reduction, stripe) follows from the map, so that every choice of a block is one word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.mixer_choices import MIXERS, lookup
from vitnas.search_spaces.published.stages import StagedSpace
from vitnas.search_spaces.space import Task

STEMS = {"patch": "map_stem", "overlap": "map_stem", "conv": "map_stem", "t2t": "tokens_to_token"}
DOWNSAMPLING = ("residual", "merging", "conv", "attention")
FEED_FORWARD = {"plain": "map_feed_forward", "gated": "gated_feed_forward", "conv": "conv_feed_forward"}
LARGEST_ATTENDED_MAP = 28


@dataclass(frozen=True, eq=False)
class Pyramid(StagedSpace):
    """Stem, four stages of blocks with downsampling between them, and a classifier on the averaged map.

    Attributes:
        width: channels of each stage, multiples of 32; no stage is narrower than the one before it.
        depth: number of blocks of each stage.
        ratio: FFN width of a block as a multiple of its stage's; a gated FFN, with three maps, takes 2/3 of it.
        lookup_grid: compressed tokens along each axis of the map that a lookup may have, a gene of its block, in each stage
            those that divide the map (LookupViT); () for the most up to 8.
    """

    width: tuple[tuple[int, ...], ...] = field(kw_only=True)
    depth: tuple[tuple[int, ...], ...] = field(kw_only=True)
    ratio: tuple[float, ...] = field(default=(2.0, 3.0, 4.0), kw_only=True)
    lookup_grid: tuple[int, ...] = field(default=(), kw_only=True)

    @property
    def stem_stride(self) -> int:
        """4 as published; 2 for small images, which would else have no map left for the last stages."""
        return 4 if self.task.side >= 112 else 2

    def side(self, stage: int) -> int:
        """Height and breadth of the maps of a stage."""
        return self.task.side // self.stem_stride >> (stage - 1)

    def mixers(self, stage: int) -> tuple[str, ...]:
        """The mixers that the map of a stage allows."""
        side, width = self.side(stage), self.width[stage - 1][0]
        return tuple(name for name, choice in MIXERS.items() if choice(width, side) is not None)

    def lookup_grids(self, stage: int) -> tuple[int, ...]:
        """The grids among which the lookups of a stage choose; none where all have the same one."""
        if self.lookup_grid and "lookup" not in self.mixers(stage):
            return ()
        return tuple(grid for grid in sorted(self.lookup_grid) if self.side(stage) % grid == 0)

    def genes(self) -> Sequence[Gene]:
        if any(type(grid) is not int or grid < 1 for grid in self.lookup_grid):
            raise SpaceError(
                f"space '{self.name}': lookup_grid must be whole numbers from 1 on, got {list(self.lookup_grid)}"
            )
        step = self.stem_stride << len(self.width) - 1
        if self.task.side % step or self.task.side < 2 * step:
            near = max(2, round(self.task.side / step)) * step
            raise SpaceError(
                f"space '{self.name}': image size {self.task.side} is not a multiple of {step} of at least {2 * step}, "
                f"as {len(self.width)} stages need; the nearest that is: {near}"
            )
        genes = [Gene("stem", tuple(STEMS))]
        for stage, (width, depth) in enumerate(zip(self.width, self.depth, strict=True), 1):
            s = f"s{stage}"
            if stage > 1:
                ways = DOWNSAMPLING if self.side(stage - 1) <= LARGEST_ATTENDED_MAP else DOWNSAMPLING[:-1]
                genes.append(Gene(f"down.{s}", ways))
            mixers = self.mixers(stage)
            with_ffn = tuple(name for name in mixers if name != "convnext")
            genes += [
                Gene(f"width.{s}", width),
                Gene(f"depth.{s}", depth),
                Gene(f"mixer.{s}", mixers, per=f"depth.{s}"),
                *(
                    Gene(f"grid.{s}", grids, per=f"depth.{s}", when=(f"mixer.{s}", ("lookup",)))
                    for grids in [self.lookup_grids(stage)]
                    if grids
                ),
                Gene(f"ratio.{s}", self.ratio, per=f"depth.{s}"),
                Gene(f"ffn.{s}", tuple(FEED_FORWARD), per=f"depth.{s}", when=(f"mixer.{s}", with_ffn)),
            ]
        return genes

    @property
    def deepest(self) -> Sequence[int]:
        return [max(depth) for depth in self.depth]

    def stem(self) -> Sequence[Site]:
        return [Site(f"stem_{name}", ("stem", "width.s1"), partial(self._stem, name)) for name in STEMS]

    def transition(self, stage: int) -> Site:
        genes = (f"down.s{stage}", f"width.s{stage - 1}", f"width.s{stage}")
        return Site(f"s{stage}_down", genes, partial(self._down, stage))

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, width = f"s{stage}_block{block}", f"width.s{stage}"
        mixer, ratio, ffn = (f"{gene}.s{stage}[{block}]" for gene in ("mixer", "ratio", "ffn"))
        grid = (f"grid.s{stage}[{block}]",) * bool(self.lookup_grids(stage))
        return [
            Site(f"{name}_mixer", (width, mixer, *grid), partial(self._mixer, stage), grid),
            Site(f"{name}_convnext", (width, mixer, ratio), partial(self._convnext, stage)),
            Site(f"{name}_ffn", (width, ffn, ratio), partial(self._ffn, stage)),
        ]

    def head(self) -> Site:
        return Site("head", (f"width.s{len(self.width)}",), self._head)

    def shape(self, stage: int, width: int) -> Shape:
        return (width, self.side(stage), self.side(stage))

    def _stem(self, name: str, chosen: str, width: int) -> LayerSpec | None:
        if chosen != name:
            return None
        image = self.task.image_shape
        of = partial(LayerSpec.of, STEMS[name], image, self.shape(1, width))
        half = max(width for width in self.width[0]) // 2
        stride = self.stem_stride
        if name == "patch":
            return of(kernels=str(stride), strides=str(stride), hidden=0, norm="none")
        if name == "overlap":
            return of(kernels=str(2 * stride - 1), strides=str(stride), hidden=0, norm="none")
        if name == "conv":
            return of(kernels="3.3", strides=f"2.{stride // 2}", hidden=half, norm="batch")
        return of(kernels=f"{2 * stride - 1}.3", strides=f"{stride}.1", hidden=half, linear=True)

    def _down(self, stage: int, way: str, narrow: int, wide: int) -> LayerSpec:
        shapes = self.shape(stage - 1, narrow), self.shape(stage, wide)
        if way == "merging":
            return LayerSpec.of("patch_merging", *shapes)
        if way == "conv":
            return LayerSpec.of("layernorm_downsampling", *shapes, kernel=3, norm="last")
        if way == "residual":
            return LayerSpec.of("map_residual_reduction", *shapes)
        return LayerSpec.of("attention_downsampling", *shapes, heads=8, key_width=16, value_width=32)

    def _mixer(self, stage: int, width: int, mixer: str, grid: int | None = None) -> LayerSpec | None:
        if grid is not None:
            return lookup(width, self.side(stage), grid) if mixer == "lookup" else None
        return None if mixer == "convnext" else MIXERS[mixer](width, self.side(stage))

    def _convnext(self, stage: int, width: int, mixer: str, ratio: float) -> LayerSpec | None:
        shape = self.shape(stage, width)
        if mixer != "convnext":
            return None
        return LayerSpec.of("convnext_block", shape, shape, kernel=7, hidden=int(width * ratio))

    def _ffn(self, stage: int, width: int, ffn: str, ratio: float) -> LayerSpec:
        of = partial(LayerSpec.of, FEED_FORWARD[ffn], self.shape(stage, width), self.shape(stage, width))
        if ffn == "conv":
            return of(hidden=int(width * ratio), kernel=3, rectified=False)
        if ffn == "gated":
            return of(hidden=round(width * ratio / 12) * 8)
        return of(hidden=int(width * ratio), layer_scale=False)

    def _head(self, width: int) -> LayerSpec:
        shape = self.shape(len(self.width), width)
        return LayerSpec.of(
            "map_classifier", shape, (self.task.num_classes,), norm="layer", pool_first=True, distilled=False
        )


def mixers(task: Task = Task()) -> Pyramid:
    """From 4 million parameters and 0.6 GMACs on at 224 px; takes images from 32 px on."""
    return Pyramid(
        "mixers",
        task,
        width=((64, 96), (128, 160, 192), (256, 320, 384), (384, 448, 512)),
        depth=((2, 3), (2, 3, 4), (4, 6, 8), (2, 3)),
    )
