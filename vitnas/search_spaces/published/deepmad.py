"""DeepMAD (Shen et al., 2023): convolutional networks found by their entropy, without any training.

Two families of five stages: `resnet` of bottlenecks, `mobile` of inverted bottlenecks with excitation. Published widths
are free numbers; the choices here are those of the published networks and a few around them.

What is compared. The published "model size" is that of all convolutions with their norms and leaves out the classifier;
the published FLOPs leave out the classifier too, count a norm with its activation as 3 an output of every convolution and
average pooling as 1 an input, and forget the excitation. The tests form both from these networks and meet them to the last printed digit. The
counts in `published` are what this project counts everywhere: all parameters, and the MACs of everything with weights,
excitation and the classifier of 1000 classes included.

The published numbers fix what the notes on the released code leave open: the shortcut of a bottleneck is averaged where
the map is halved and projected where map or width change; an inverted bottleneck has no projection, so it has a
residual only where both stay; an excitation squeezes to a quarter, rounded down to a multiple of 8, and its convolutions
have norms and no biases. Activations are not fixed by any number: ReLU, and SiLU in the mobile family.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.stages import map_shape, per_stage, scaled_resolutions, stage_by_stage, stage_values
from vitnas.search_spaces.space import Published, SearchSpace, Task

STRIDES = ("22221", "22212", "12222")
"""Of the five stages, from the least to the most costly; the stem has another 2, so that all end at 1/32."""
KERNELS = (3, 5)


@dataclass(frozen=True)
class ConvStage:
    """Choices of one stage; its first block changes width and resolution."""

    width: tuple[int, ...]
    bottleneck: tuple[int, ...]
    depth: range


@dataclass(frozen=True, eq=False)
class DeepMAD(SearchSpace):
    """A convolution, five stages of blocks, a classifier; kernel, width and bottleneck hold for a whole stage.

    Genes are ``resolution``, ``strides``, a digit for each stage, ``width.stem``, of stage i ``kernel.si``, ``width.si``,
    ``bottleneck.si`` and ``depth.si``, counted from 1, and ``width.head`` in the mobile family.

    Attributes:
        head: channels of a last convolution; none in the family of bottlenecks.
    """

    resolution: tuple[int, ...] = field(kw_only=True)
    stem: tuple[int, ...] = field(kw_only=True)
    stages: tuple[ConvStage, ...] = field(kw_only=True)
    head: tuple[int, ...] = field(kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    @property
    def act(self) -> str:
        return "silu" if self.head else "relu"

    def genes(self) -> Sequence[Gene]:
        genes = [
            Gene("resolution", scaled_resolutions(self.resolution, self.task.side, 32)),
            Gene("strides", STRIDES),
            Gene("width.stem", self.stem),
        ]
        genes += stage_by_stage(
            per_stage("kernel", [KERNELS] * len(self.stages)),
            per_stage("width", [stage.width for stage in self.stages]),
            per_stage("bottleneck", [stage.bottleneck for stage in self.stages]),
            per_stage("depth", [stage.depth for stage in self.stages]),
        )
        return [*genes, Gene("width.head", self.head)] if self.head else genes

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def sites(self) -> Sequence[Site]:
        sites = [Site("stem", ("resolution", "width.stem"), self._stem)]
        before = "width.stem"
        for i, stage in enumerate(self.stages, 1):
            genes = ("resolution", "strides", f"kernel.s{i}", f"bottleneck.s{i}", f"width.s{i}")
            sites.append(Site(f"s{i}_block0", (*genes, before), partial(self._first, i)))
            for n in range(1, max(stage.depth)):
                sites.append(Site(f"s{i}_block{n}", (*genes, f"depth.s{i}"), partial(self._next, i, n)))
            before = f"width.s{i}"
        return [*sites, Site("head", ("resolution", before, *("width.head",) * bool(self.head)), self._head)]

    def _stem(self, resolution: int, width: int) -> LayerSpec:
        image = (self.task.in_channels, resolution, resolution)
        return LayerSpec.of("conv_stem", image, map_shape(width, resolution, 2), kernel=3, stride=2, act=self.act)

    def _first(
        self, stage: int, resolution: int, strides: str, kernel: int, bottleneck: int, width: int, before: int
    ) -> LayerSpec:
        stride = int(strides[stage - 1])
        return self._block(resolution, _reduction(strides, stage - 1), stride, kernel, bottleneck, before, width)

    def _next(
        self, stage: int, n: int, resolution: int, strides: str, kernel: int, bottleneck: int, width: int, depth: int
    ) -> LayerSpec | None:
        if n >= depth:
            return None
        return self._block(resolution, _reduction(strides, stage), 1, kernel, bottleneck, width, width)

    def _block(
        self, resolution: int, reduction: int, stride: int, kernel: int, bottleneck: int, before: int, width: int
    ) -> LayerSpec:
        shapes = map_shape(before, resolution, reduction), map_shape(width, resolution, reduction * stride)
        same = before == width and stride == 1
        if not self.head:
            return LayerSpec.of(
                "bottleneck_conv",
                *shapes,
                hidden=bottleneck,
                kernel=kernel,
                stride=stride,
                project=not same,
                act=self.act,
            )
        squeeze = max(1, bottleneck // 32) * 8
        return LayerSpec.of(
            "excited_mbconv",
            *shapes,
            hidden=bottleneck,
            squeeze=squeeze,
            kernel=kernel,
            stride=stride,
            residual=same,
            act=self.act,
        )

    def _head(self, resolution: int, width: int, hidden: int = 0) -> LayerSpec:
        shape = map_shape(width, resolution, 32)
        return LayerSpec.of("widening_classifier", shape, (self.task.num_classes,), hidden=hidden, act=self.act)


def _reduction(strides: str, stages: int) -> int:
    """How much smaller than the image a map is after the stem and the first stages."""
    return 2 << strides[:stages].count("2")


def _published(
    stem: int,
    stages: Sequence[tuple[int, int, int, int, int]],
    num_params: int,
    macs: int,
    head: int | None = None,
    resolution: int = 224,
) -> Published:
    """From the width of the stem, ``(width, kernel, stride, depth, bottleneck)`` of each stage, and the counts."""
    width, kernel, stride, depth, bottleneck = zip(*stages, strict=True)
    genes: dict[str, GeneValue] = {"resolution": resolution, "strides": "".join(map(str, stride)), "width.stem": stem}
    genes |= stage_values(width=width, kernel=kernel, depth=depth, bottleneck=bottleneck)
    return Published(genes if head is None else {**genes, "width.head": head}, num_params, macs)


RESNET: Mapping[str, Published] = {
    "DeepMAD-R18": _published(
        32,
        [(96, 5, 2, 1, 40), (384, 5, 2, 6, 40), (384, 5, 2, 9, 64), (1024, 3, 1, 10, 104), (672, 5, 2, 12, 104)],
        11_826_088,
        1_811_574_016,
    ),
    "DeepMAD-R34": _published(
        24,
        [(128, 5, 2, 1, 24), (512, 5, 2, 10, 48), (896, 5, 2, 13, 88), (1024, 5, 1, 11, 104), (616, 5, 2, 14, 128)],
        21_690_160,
        3_634_913_856,
    ),
    "DeepMAD-R50": _published(
        32,
        [(128, 5, 2, 1, 40), (512, 5, 2, 11, 48), (872, 5, 2, 12, 88), (1024, 5, 1, 13, 104), (1232, 5, 2, 15, 120)],
        25_441_144,
        4_042_761_408,
    ),
}

MOBILE: Mapping[str, Published] = {
    "DeepMAD-29M-224": _published(
        40,
        [(40, 5, 1, 2, 240), (85, 5, 2, 4, 512), (134, 5, 2, 6, 800), (201, 5, 2, 6, 1208), (312, 5, 2, 5, 1872)],
        28_669_956,
        4_323_768_752,
        head=1792,
    ),
    "DeepMAD-29M-288": _published(
        40,
        [(61, 5, 2, 4, 368), (96, 5, 2, 4, 576), (145, 5, 2, 5, 872), (217, 5, 1, 6, 1304), (328, 5, 2, 4, 1968)],
        28_703_630,
        4_322_279_168,
        head=1792,
        resolution=288,
    ),
    "DeepMAD-50M": _published(
        48,
        [(112, 5, 2, 7, 672), (168, 5, 2, 9, 1008), (252, 5, 2, 7, 1512), (378, 5, 2, 3, 2272), (576, 3, 1, 1, 3456)],
        49_408_964,
        8_450_423_360,
        head=2048,
    ),
    "DeepMAD-89M": _published(
        56,
        [(136, 5, 2, 10, 816), (204, 5, 2, 9, 1224), (326, 5, 2, 7, 1952), (490, 5, 2, 4, 2944), (744, 3, 1, 1, 4464)],
        88_325_780,
        15_026_451_408,
        head=2560,
    ),
}


def resnet(task: Task = Task()) -> DeepMAD:
    """The family of ResNet-18, 34 and 50."""
    return DeepMAD(
        "deepmad-resnet",
        task,
        resolution=(224,),
        stem=(24, 32),
        stages=(
            ConvStage((64, 96, 128), (24, 40, 56), range(1, 4)),
            ConvStage((256, 384, 512), (40, 48), range(4, 13)),
            ConvStage((384, 640, 872, 896), (64, 88, 104), range(6, 15)),
            ConvStage((768, 1024), (80, 104, 128), range(6, 15)),
            ConvStage((512, 616, 672, 960, 1232), (80, 104, 120, 128), range(8, 17)),
        ),
        head=(),
        winners=RESNET,
    )


def mobile(task: Task = Task(image_size=288)) -> DeepMAD:
    """The family of DeepMAD-29M, 50M and 89M, with 288 px as the largest resolution."""
    return DeepMAD(
        "deepmad-mobile",
        task,
        resolution=(224, 288),
        stem=(32, 40, 48, 56),
        stages=(
            ConvStage((40, 61, 112, 136), (240, 368, 672, 816), range(1, 11)),
            ConvStage((85, 96, 168, 204), (512, 576, 1008, 1224), range(2, 10)),
            ConvStage((134, 145, 252, 326), (800, 872, 1512, 1952), range(3, 9)),
            ConvStage((201, 217, 378, 490), (1208, 1304, 2272, 2944), range(2, 8)),
            ConvStage((312, 328, 576, 744), (1872, 1968, 3456, 4464), range(1, 6)),
        ),
        head=(1792, 2048, 2560),
        winners=MOBILE,
    )
