"""ViT-Res and ViT-ResNAS (Liao et al., 2021): three stages of tokens with residual spatial reduction between them.

The counts are those of the network that answers from the class token: the head that labels every patch serves only
training and is no part of it. A stage of n blocks has the first n; the authors' supernet drops every second one
instead, which gives the same networks out of other shared weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from vitnas.errors import SpaceError
from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.space import Published, SearchSpace, Task

STAGES = (1, 2, 3)
PATCH = 14
STEM_WIDTH = 24


@dataclass(frozen=True)
class Stage:
    """Choices of one stage; heads keep their `head_width`, `ffn` is the FFN's width itself."""

    width: tuple[int, ...]
    depth: tuple[int, ...]
    heads: tuple[int, ...]
    head_width: int
    ffn: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ViTResNAS(SearchSpace):
    """Convolutional patch embedding, stages on 16x16, 8x8 and 4x4 patches and a class token, one classifier.

    Genes of stage i, counted from 1, are ``width.si``, ``depth.si`` and, for each block, ``heads.si`` and ``ffn.si``.
    Smaller images than the published 224 px are cut into 16x16 patches or a few more; larger ones into patches of 14 px.
    """

    stages: tuple[Stage, Stage, Stage] = field(kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    def genes(self) -> Sequence[Gene]:
        return [
            gene
            for i, stage in zip(STAGES, self.stages, strict=True)
            for gene in (
                Gene(f"width.s{i}", stage.width),
                Gene(f"depth.s{i}", stage.depth),
                Gene(f"heads.s{i}", stage.heads, per=f"depth.s{i}"),
                Gene(f"ffn.s{i}", stage.ffn, per=f"depth.s{i}"),
            )
        ]

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def sites(self) -> Sequence[Site]:
        patch, side = _patches(self.name, self.task)
        sites = [Site("stem", ("width.s1",), partial(_stem, self.task, patch, side))]
        for i, stage in zip(STAGES, self.stages, strict=True):
            if i > 1:
                side //= 2
                genes = (f"width.s{i - 1}", f"width.s{i}")
                sites.append(Site(f"stage{i}_reduction", genes, partial(_reduction, side)))
            for n in range(max(stage.depth)):
                name, width = f"stage{i}_block{n}", f"width.s{i}"
                attention = partial(_attention, side, stage.head_width)
                sites.append(Site(f"{name}_attention", (width, f"heads.s{i}[{n}]"), attention))
                sites.append(Site(f"{name}_ffn", (width, f"ffn.s{i}[{n}]"), partial(_ffn, side)))
        return [*sites, Site("head", ("width.s3",), partial(_head, self.task, side))]


def _patches(name: str, task: Task) -> tuple[int, int]:
    """The side of a patch and the number of patches a side."""
    patch = min(PATCH, task.image_size // 16)
    if patch < 2 or patch % 2 or task.image_size % (4 * patch):
        step = 32 if task.image_size < 16 * PATCH else 4 * PATCH
        raise SpaceError(
            f"space '{name}': an image of side {task.image_size} has no square of even patches that can be halved twice; give "
            f"a multiple of 32 below {16 * PATCH} or one of {4 * PATCH} from there on, such as "
            f"{max(1, round(task.image_size / step)) * step}"
        )
    return patch, task.image_size // patch


def _tokens(side: int, width: int) -> Shape:
    return (side * side + 1, width)


def _stem(task: Task, patch: int, side: int, width: int) -> LayerSpec:
    image = (task.in_channels, task.image_size, task.image_size)
    return LayerSpec.of("conv_patch_embedding", image, _tokens(side, width), patch=patch, hidden=STEM_WIDTH)


def _reduction(side: int, narrow: int, wide: int) -> LayerSpec:
    return LayerSpec.of("residual_reduction", _tokens(2 * side, narrow), _tokens(side, wide))


def _attention(side: int, head_width: int, width: int, heads: int) -> LayerSpec:
    shape = _tokens(side, width)
    return LayerSpec.of("attention", shape, shape, heads=heads, head_width=head_width, reach=0)


def _ffn(side: int, width: int, hidden: int) -> LayerSpec:
    shape = _tokens(side, width)
    return LayerSpec.of("feed_forward", shape, shape, hidden=hidden)


def _head(task: Task, side: int, width: int) -> LayerSpec:
    return LayerSpec.of("classifier", _tokens(side, width), (task.num_classes,), pool="class")


def _published(
    width: Sequence[int], heads: Sequence[Sequence[int]], ffn: Sequence[Sequence[int]], num_params: int, gmacs: float
) -> Published:
    genes: dict[str, GeneValue] = {}
    for i, w, h, f in zip(STAGES, width, heads, ffn, strict=True):
        genes |= {f"width.s{i}": w, f"depth.s{i}": len(h), f"heads.s{i}": tuple(h), f"ffn.s{i}": tuple(f)}
    return Published(genes, num_params, gmacs * 1e9)


def reference(task: Task = Task()) -> ViTResNAS:
    """Around ViT-Res-Tiny, made by hand with heads of 64 channels everywhere; the choices smaller than its own are ours."""
    deepest = (2, 3, 4)
    return ViTResNAS(
        "vitres",
        task,
        stages=(
            Stage((128, 160, 192), deepest, (2, 3), 64, (384, 576, 768)),
            Stage((256, 320, 384), deepest, (4, 5, 6), 64, (768, 1152, 1536)),
            Stage((512, 640, 768), deepest, (8, 10, 12), 64, (1536, 2304, 3072)),
        ),
        winners={
            "ViT-Res-Tiny": _published(
                [192, 384, 768], [[3] * 4, [6] * 4, [12] * 4], [[768] * 4, [1536] * 4, [3072] * 4], 42_012_736, 1.7944
            )
        },
    )


def tiny(task: Task = Task()) -> ViTResNAS:
    """ViT-ResNAS-Tiny's space: up to six blocks a stage."""
    depth = (3, 4, 5, 6)
    return ViTResNAS(
        "vitresnas-tiny",
        task,
        stages=(
            Stage((160, 176, 192, 224, 256), depth, (3, 4, 5, 6), 32, tuple(range(384, 769, 64))),
            Stage((320, 352, 384, 448, 512), depth, (6, 8, 10, 12), 48, tuple(range(768, 1537, 128))),
            Stage((640, 704, 768, 896, 1024), depth, (6, 8, 10, 12), 64, tuple(range(1536, 3073, 256))),
        ),
        winners={
            "ViT-ResNAS-Tiny": _published(
                [176, 352, 704],
                [[3, 3, 3, 4, 4], [10, 8, 8, 8, 10, 10], [10, 10, 10, 8, 8]],
                [
                    [704, 576, 640, 576, 704],
                    [1408, 1408, 1280, 1408, 1280, 1024],
                    [2560, 1792, 2816, 2816, 2560],
                ],
                40_793_552,
                1.7826,
            )
        },
    )


def small(task: Task = Task()) -> ViTResNAS:
    """The space of ViT-ResNAS-Small and Medium: up to seven blocks a stage."""
    depth = (4, 5, 6, 7)
    return ViTResNAS(
        "vitresnas-small",
        task,
        stages=(
            Stage((200, 220, 240, 280, 320), depth, (5, 6, 7, 8), 32, tuple(range(480, 961, 80))),
            Stage((400, 440, 480, 560, 640), depth, (10, 12, 14, 16), 48, tuple(range(960, 1921, 160))),
            Stage((800, 880, 960, 1120, 1280), depth, (10, 12, 14, 16), 64, tuple(range(1920, 3841, 320))),
        ),
        winners={
            "ViT-ResNAS-Small": _published(
                [220, 440, 880],
                [[5, 5, 7, 5, 5, 5], [10, 10, 10, 10, 12, 12], [16, 12, 16, 12, 14]],
                [
                    [880, 880, 800, 720, 720, 720],
                    [1760, 1440, 1920, 1600, 1600, 1440],
                    [3200, 3200, 2880, 2240, 2560],
                ],
                63_724_108,
                2.8455,
            ),
            "ViT-ResNAS-Medium": _published(
                [240, 640, 880],
                [[7, 6, 7, 8, 7, 8, 6], [10, 14, 14, 16, 14, 16, 16], [16, 10, 16, 12, 16, 14]],
                [
                    [960, 960, 800, 960, 880, 880, 800],
                    [1120, 1760, 1920, 1760, 1440, 1760, 1920],
                    [3200, 3840, 3840, 3200, 3520, 3520],
                ],
                96_442_672,
                4.5131,
            ),
        },
    )
