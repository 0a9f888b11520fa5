"""ElasticViT (Tang et al., 2023): a mobile hybrid, two stages of MBConvs and four of transformers.

A transformer stage begins with an MBConv to its width, also where its stride is 1. One expansion, kernel, FFN ratio
and value width hold for a whole stage; widths never shrink along the network.

MACs are the true ones. The released search counts others (T1: 62.92 million, here 64.90): it takes softmax for one
MAC a score and the depthwise convolution of the values for one an element, leaves the squeeze-and-excitation and the
shortcut of a transformer stage's first layer out, and rounds odd maps up there. Neither are two traits of the released
supernet copied: rows of its fused projection are queries in one subnet and keys or values in another, and its layer
normalisation is over tokens and channels together. Parameters of a network are the same either way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.stages import map_shape, mbconv, scaled_resolutions, when_deeper
from vitnas.search_spaces.space import Published, SearchSpace, Task

RESOLUTIONS = (128, 160, 176, 192, 224, 256)
HEAD_WIDTH = 16
FEATURES = 1984
ACT = "hardswish"


@dataclass(frozen=True)
class ElasticStage:
    """What a stage may choose, and its stride."""

    width: tuple[int, ...]
    depth: tuple[int, ...]
    stride: int


STEM = ElasticStage((16, 24), (1, 2), 1)
CONV_STAGES = {
    "s1": ElasticStage((16, 24, 32), (2, 3, 4, 5), 2),
    "s2": ElasticStage((16, 24, 32, 40, 48), (2, 3, 4, 5, 6), 2),
}
TRANSFORMER_STAGES = {
    "s3": ElasticStage((48, 64, 80, 96), (1, 2, 3, 4, 5), 2),
    "s4": ElasticStage(tuple(range(80, 161, 16)), (1, 2, 3, 4, 5, 6), 1),
    "s5": ElasticStage(tuple(range(144, 289, 16)), (1, 2, 3, 4, 5, 6), 2),
    "s6": ElasticStage(tuple(range(160, 321, 16)), (1, 2, 3, 4, 5, 6), 2),
}


@dataclass(frozen=True, eq=False)
class ElasticViT(SearchSpace):
    """Genes are ``resolution`` and, of each stage, ``width``, ``depth`` and what its blocks have to choose.

    The stem, with MBConvs of no expansion, has ``kernel.stem``; stages s1 and s2 have ``expansion`` and ``kernel``,
    transformer stages s3 to s6 ``value_ratio`` and ``mlp_ratio``.
    """

    def genes(self) -> Sequence[Gene]:
        stages = CONV_STAGES | TRANSFORMER_STAGES
        stride = 2 * math.prod(stage.stride for stage in stages.values())
        found = [
            Gene("resolution", scaled_resolutions(RESOLUTIONS, self.task.side, stride)),
            Gene("width.stem", STEM.width),
            Gene("depth.stem", STEM.depth),
            Gene("kernel.stem", (3, 5)),
        ]
        before = "width.stem"
        for name, stage in stages.items():
            found += [Gene(f"width.{name}", stage.width, at_least=before), Gene(f"depth.{name}", stage.depth)]
            if name in CONV_STAGES:
                found += [Gene(f"expansion.{name}", (3, 4, 5, 6)), Gene(f"kernel.{name}", (3, 5))]
            else:
                found += [Gene(f"value_ratio.{name}", (2, 3, 4)), Gene(f"mlp_ratio.{name}", (2, 3, 4, 5))]
            before = f"width.{name}"
        return found

    def sites(self) -> Sequence[Site]:
        sites = [Site("stem", ("resolution", "width.stem"), self._stem)]
        before, stride = "width.stem", 2
        for n in range(max(STEM.depth)):
            genes = ("resolution", "depth.stem", "kernel.stem", before)
            sites.append(Site(f"stem_block{n}", genes, when_deeper(n, _stem_block)))
        for name, stage in CONV_STAGES.items():
            own = (f"expansion.{name}", f"kernel.{name}", f"width.{name}")
            excite = name == "s2"
            entry = _conv_entry(stride, stage.stride, excite)
            sites.append(Site(f"{name}_block0", ("resolution", before, *own), entry))
            before, stride = f"width.{name}", stride * stage.stride
            for n in range(1, max(stage.depth)):
                deeper = ("resolution", f"depth.{name}", *own)
                sites.append(Site(f"{name}_block{n}", deeper, when_deeper(n, _conv(stride, excite))))
        for name, stage in TRANSFORMER_STAGES.items():
            width = f"width.{name}"
            sites.append(Site(f"{name}_entry", ("resolution", before, width), _entry(stride, stage.stride)))
            before, stride = width, stride * stage.stride
            for n in range(max(stage.depth)):
                attention = ("resolution", f"depth.{name}", f"value_ratio.{name}", width)
                ffn = ("resolution", f"depth.{name}", f"mlp_ratio.{name}", width)
                sites.append(Site(f"{name}_block{n}_attention", attention, when_deeper(n, _attention(stride))))
                sites.append(Site(f"{name}_block{n}_ffn", ffn, when_deeper(n, _ffn(stride))))
        return [*sites, Site("head", ("resolution", before), self._head(stride))]

    def published(self) -> Mapping[str, Published]:
        """The winners, and the hierarchical minimum nets that bound the supernet's sampling from below."""
        return WINNERS

    def _stem(self, resolution: int, width: int) -> LayerSpec:
        image = (self.task.in_channels, resolution, resolution)
        return LayerSpec.of("conv_stem", image, map_shape(width, resolution, 2), kernel=3, stride=2, act=ACT)

    def _head(self, stride: int) -> Callable[..., LayerSpec]:
        def head(resolution: int, width: int) -> LayerSpec:
            shape, classes = map_shape(width, resolution, stride), (self.task.num_classes,)
            return LayerSpec.of("conv_head", shape, classes, hidden=6 * width, features=FEATURES, bias=True, act=ACT)

        return head


def _stem_block(resolution: int, kernel: int, width: int) -> LayerSpec:
    shape = map_shape(width, resolution, 2)
    return mbconv(shape, shape, width, kernel=kernel, stride=1, squeeze=0, act=ACT)


def _conv_entry(stride: int, step: int, excite: bool) -> Callable[..., LayerSpec]:
    def entry(resolution: int, width: int, expansion: int, kernel: int, out_width: int) -> LayerSpec:
        shape, out_shape = map_shape(width, resolution, stride), map_shape(out_width, resolution, stride * step)
        hidden = width * expansion
        squeeze = hidden // 4 if excite else 0
        return mbconv(shape, out_shape, hidden, kernel=kernel, stride=step, squeeze=squeeze, act=ACT)

    return entry


def _conv(stride: int, excite: bool) -> Callable[..., LayerSpec]:
    def conv(resolution: int, expansion: int, kernel: int, width: int) -> LayerSpec:
        return _conv_entry(stride, 1, excite)(resolution, width, expansion, kernel, width)

    return conv


def _entry(stride: int, step: int) -> Callable[..., LayerSpec]:
    """Into a transformer stage: always 6 times as wide inside as what comes in, with squeeze-and-excitation."""
    return lambda resolution, width, out_width: _conv_entry(stride, step, True)(resolution, width, 6, 3, out_width)


def _attention(stride: int) -> Callable[..., LayerSpec]:
    def attention(resolution: int, value_ratio: int, width: int) -> LayerSpec:
        shape = map_shape(width, resolution, stride)
        return LayerSpec.of(
            "value_conv_attention",
            shape,
            shape,
            heads=width // HEAD_WIDTH,
            head_width=HEAD_WIDTH,
            value_width=HEAD_WIDTH * value_ratio,
            qkv_bias=False,
            talking=False,
            rescale=False,
            act=ACT,
        )

    return attention


def _ffn(stride: int) -> Callable[..., LayerSpec]:
    def ffn(resolution: int, ratio: int, width: int) -> LayerSpec:
        shape = map_shape(width, resolution, stride)
        return LayerSpec.of("feed_forward_stack", shape, shape, hidden=ratio * width, repeats=1, rescale=False, act=ACT)

    return ffn


def _winner(
    resolution: int,
    widths: Sequence[int],
    depths: str,
    expansions: str,
    kernels: str,
    mlp_ratios: str,
    num_params: int,
    mega_macs: float,
    value_ratios: str = "2222",
) -> Published:
    """A winner from a digit a stage: depths and kernels from the stem on, expansions of s1 and s2, ratios of s3 to s6."""
    genes: dict[str, GeneValue] = {"resolution": resolution}
    names = ("stem", *CONV_STAGES, *TRANSFORMER_STAGES)
    genes |= zip((f"width.{name}" for name in names), widths, strict=True)
    for gene, digits, where in (
        ("depth", depths, names),
        ("kernel", kernels, names[:3]),
        ("expansion", expansions, CONV_STAGES),
        ("mlp_ratio", mlp_ratios, TRANSFORMER_STAGES),
        ("value_ratio", value_ratios, TRANSFORMER_STAGES),
    ):
        genes |= {f"{gene}.{name}": int(digit) for name, digit in zip(where, digits, strict=True)}
    return Published(genes, num_params, mega_macs * 1e6)


WINNERS = {
    "T1": _winner(128, (16, 24, 32, 64, 96, 176, 272), "1231111", "33", "333", "2234", 8_905_832, 64.90),
    "T2": _winner(160, (16, 24, 40, 48, 96, 176, 256), "1231122", "33", "333", "3432", 9_300_065, 120.55),
    "S1": _winner(192, (16, 24, 40, 64, 96, 192, 272), "1332222", "33", "333", "2234", 10_836_592, 221.55),
    "S2": _winner(224, (16, 24, 48, 64, 96, 192, 256), "1332222", "33", "333", "2224", 10_231_654, 320.25),
    "M": _winner(224, (16, 32, 48, 64, 96, 192, 288), "1352222", "33", "533", "2445", 12_016_968, 417.42),
    "L1": _winner(256, (16, 24, 40, 64, 96, 192, 320), "1332222", "36", "555", "4344", 12_764_996, 522.88),
    "L1.5": _winner(256, (16, 24, 48, 64, 96, 256, 320), "2442222", "34", "335", "4535", 14_706_044, 626.03),
    "L2": _winner(256, (16, 24, 40, 80, 128, 256, 304), "1342222", "66", "333", "3235", 14_901_060, 713.13, "2223"),
    "L3": _winner(256, (16, 32, 48, 80, 128, 256, 320), "1342222", "55", "535", "4435", 15_344_982, 824.59),
    "min200": _winner(128, (16, 16, 16, 48, 80, 144, 160), "1221111", "33", "333", "2222", 5_636_555, 38.29),
    "min400": _winner(176, (16, 24, 32, 48, 96, 176, 224), "1332222", "33", "333", "2322", 8_447_198, 161.67),
    "min800": _winner(224, (16, 24, 32, 64, 96, 192, 256), "1332222", "33", "333", "2222", 9_637_206, 290.31),
}


def elasticvit(task: Task = Task(image_size=256)) -> ElasticViT:
    """ElasticViT's space, 38 to 3200 million MACs at 128 to 256 pixels."""
    return ElasticViT("elasticvit", task)
