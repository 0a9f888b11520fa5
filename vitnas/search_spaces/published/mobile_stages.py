"""Mobile stages: MBConv stages in the grammar of AttentiveNAS, of which NASViT turns the last into transformers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.stages import (
    map_shape,
    mbconv,
    per_stage,
    scaled_resolutions,
    stage_by_stage,
    stage_values,
    when_deeper,
)
from vitnas.search_spaces.space import Published, SearchSpace


@dataclass(frozen=True)
class MobileStage:
    """Blocks of one width; the first of them changes width and resolution.

    Attributes:
        expansion: channels of the depthwise convolution as a multiple of the block's input.
        excite: squeeze-and-excitation in every MBConv.
        attends: blocks after the first are transformers, with heads of 8 channels.
    """

    width: tuple[int, ...]
    depth: tuple[int, ...]
    kernel: tuple[int, ...]
    expansion: tuple[int, ...]
    stride: int
    excite: bool = False
    attends: bool = False


@dataclass(frozen=True, eq=False)
class MobileStages(SearchSpace):
    """A convolution, stages of blocks and a wide head; one kernel, expansion and width for a whole stage.

    Genes are ``resolution``, ``width.stem``, ``width.head`` and, of stage i, ``width.si``, ``depth.si``,
    ``kernel.si`` and ``expansion.si``, counted from 1.
    """

    resolution: tuple[int, ...] = field(kw_only=True)
    stem: tuple[int, ...] = field(kw_only=True)
    stages: tuple[MobileStage, ...] = field(kw_only=True)
    head: tuple[int, ...] = field(kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    def genes(self) -> Sequence[Gene]:
        stride = 2 * math.prod(stage.stride for stage in self.stages)
        found = [
            Gene("resolution", scaled_resolutions(self.resolution, self.task.side, stride)),
            Gene("width.stem", self.stem),
        ]
        found += stage_by_stage(
            per_stage("width", [stage.width for stage in self.stages]),
            per_stage("depth", [stage.depth for stage in self.stages]),
            per_stage("kernel", [stage.kernel for stage in self.stages]),
            per_stage("expansion", [stage.expansion for stage in self.stages]),
        )
        return [*found, Gene("width.head", self.head)]

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def sites(self) -> Sequence[Site]:
        sites = [Site("stem", ("resolution", "width.stem"), self._stem)]
        before, stride = "width.stem", 2
        for i, stage in enumerate(self.stages, 1):
            own = (f"kernel.s{i}", f"expansion.s{i}", f"width.s{i}")
            sites.append(Site(f"s{i}_block0", ("resolution", before, *own), _first(stage, stride)))
            before, stride = f"width.s{i}", stride * stage.stride
            for n in range(1, max(stage.depth)):
                name, depth = f"s{i}_block{n}", f"depth.s{i}"
                if stage.attends:
                    genes = ("resolution", depth, before)
                    sites.append(Site(f"{name}_attention", genes, when_deeper(n, _attention(stride))))
                    sites.append(Site(f"{name}_ffn", genes, when_deeper(n, _ffn(stride))))
                else:
                    sites.append(Site(name, ("resolution", depth, *own), when_deeper(n, _next(stage, stride))))
        return [*sites, Site("head", ("resolution", before, "width.head"), self._head(stride))]

    def _stem(self, resolution: int, width: int) -> LayerSpec:
        image = (self.task.in_channels, resolution, resolution)
        return LayerSpec.of("conv_stem", image, map_shape(width, resolution, 2), kernel=3, stride=2, act="silu")

    def _head(self, stride: int) -> Callable[..., LayerSpec]:
        def head(resolution: int, width: int, features: int) -> LayerSpec:
            shape = map_shape(width, resolution, stride)
            classes = (self.task.num_classes,)
            return LayerSpec.of(
                "conv_head", shape, classes, hidden=6 * width, features=features, bias=False, act="silu"
            )

        return head


def _first(stage: MobileStage, stride: int) -> Callable[..., LayerSpec]:
    def first(resolution: int, width: int, kernel: int, expansion: int, out_width: int) -> LayerSpec:
        out_shape = map_shape(out_width, resolution, stride * stage.stride)
        return _mbconv(map_shape(width, resolution, stride), out_shape, kernel, expansion, stage.stride, stage.excite)

    return first


def _next(stage: MobileStage, stride: int) -> Callable[..., LayerSpec]:
    def following(resolution: int, kernel: int, expansion: int, width: int) -> LayerSpec:
        shape = map_shape(width, resolution, stride)
        return _mbconv(shape, shape, kernel, expansion, 1, stage.excite)

    return following


def _mbconv(shape: Shape, out_shape: Shape, kernel: int, expansion: int, stride: int, excite: bool) -> LayerSpec:
    hidden = shape[0] * expansion
    squeeze = multiple_of_8(hidden // 4) if excite else 0
    return mbconv(shape, out_shape, hidden, kernel=kernel, stride=stride, squeeze=squeeze, act="silu")


def _attention(stride: int) -> Callable[..., LayerSpec]:
    def attention(resolution: int, width: int) -> LayerSpec:
        shape = map_shape(width, resolution, stride)
        return LayerSpec.of(
            "value_conv_attention",
            shape,
            shape,
            heads=width // 8,
            head_width=8,
            value_width=32,
            qkv_bias=True,
            talking=True,
            rescale=True,
            act="silu",
        )

    return attention


def _ffn(stride: int) -> Callable[..., LayerSpec]:
    def ffn(resolution: int, width: int) -> LayerSpec:
        shape = map_shape(width, resolution, stride)
        return LayerSpec.of("feed_forward_stack", shape, shape, hidden=width, repeats=2, rescale=True, act="silu")

    return ffn


def multiple_of_8(channels: int) -> int:
    """The nearest multiple of 8, one more if that would lose a tenth of the channels."""
    nearest = max(8, (channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def winner(
    resolution: int,
    width: Sequence[int],
    depth: Sequence[int],
    kernel: Sequence[int],
    expansion: Sequence[int],
    num_params: int,
    mega_macs: float,
) -> Published:
    """A published arch from the columns of its table; `width` begins with the stem and ends with the head."""
    genes: dict[str, GeneValue] = {"resolution": resolution, "width.stem": width[0], "width.head": width[-1]}
    genes |= stage_values(width=width[1:-1], depth=depth, kernel=kernel, expansion=expansion)
    return Published(genes, num_params, mega_macs * 1e6)
