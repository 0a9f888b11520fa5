"""FourStages: networks on maps whose stem quarters the image and whose four stages halve the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import LayerSpec, Scalar, Shape
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.stages import StagedSpace, map_shape

STAGES = (1, 2, 3, 4)


@dataclass(frozen=True, eq=False)
class FourStages(StagedSpace):
    """Four stages of square maps, each half as large as the one before."""

    def sites(self) -> Sequence[Site]:
        if self.side(4) < 2:
            raise SpaceError(
                f"space '{self.name}': an image of side {self.task.side} leaves a single place in the last stage, "
                "where mixing places does nothing; give images of side 33 or more, best a multiple of 32 such as 64"
            )
        return super().sites()

    def side(self, stage: int) -> int:
        """The side of the map in a stage; odd sides are rounded up when they are halved."""
        return -(-self.task.side // (2 << stage))

    def shape(self, stage: int, width: int) -> Shape:
        return map_shape(width, self.task.side, 2 << stage)

    def downsampling(self, stage: int, name: str, kind: str, **attrs: Scalar) -> Site:
        """The transition into a stage through one layer, to which only the two widths are left open."""

        def spec(before: int, width: int) -> LayerSpec:
            return LayerSpec.of(kind, self.shape(stage - 1, before), self.shape(stage, width), **attrs)

        return Site(f"stage{stage}_{name}", (f"width.s{stage - 1}", f"width.s{stage}"), spec)

    def two_convolutions(self, width: int, act: str, act_last: bool, bias: bool) -> LayerSpec:
        """The spec of a stem of two halving convolutions, the first half as wide as the second."""
        shapes = self.task.image_shape, self.shape(1, width)
        return LayerSpec.of(
            "stacked_stem", *shapes, strides="22", width0=width // 2, act=act, act_last=act_last, bias=bias
        )

    def classifier(self, width: int, norm: str, pool_first: bool, distilled: bool = False) -> LayerSpec:
        """The spec of a classifier on the averaged last map."""
        shape, classes = self.shape(4, width), (self.task.num_classes,)
        return LayerSpec.of("map_classifier", shape, classes, norm=norm, pool_first=pool_first, distilled=distilled)

    def require_whole_halves(self) -> None:
        """Refuses images that a stem and three halvings do not divide into whole places, or leave a single one."""
        size = self.task.side
        if size % 32 or size < 64:
            raise SpaceError(
                f"space '{self.name}': image size {size} is not a multiple of 32 of at least 64, as four stages of whole "
                f"maps need; the nearest that is: {max(2, round(size / 32)) * 32}"
            )
