"""ViT-Res and ViT-ResNAS (Liao et al., 2021): three stages of tokens with residual spatial reduction between them.

The counts are those of the network that answers from the class token: the head that labels every patch serves only
training and is no part of it. A stage of n blocks has the first n; the authors' supernet drops every second one
instead, which gives the same networks out of other shared weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

from vitnas.errors import SpaceError
from vitnas.search_spaces.blueprint import LayerSpec, Shape
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.stages import StagedSpace, per_stage, stage_by_stage, stage_values
from vitnas.search_spaces.space import Published, Task

PATCH = 14
STEM_WIDTH = 24


@dataclass(frozen=True)
class TokenStage:
    """Choices of one stage; heads keep their `head_width`, `ffn` is the FFN's width itself."""

    width: tuple[int, ...]
    depth: tuple[int, ...]
    heads: tuple[int, ...]
    head_width: int
    ffn: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class ViTResNAS(StagedSpace):
    """Convolutional patch embedding, stages on 16x16, 8x8 and 4x4 patches and a class token, one classifier.

    Genes of stage i, counted from 1, are ``width.si``, ``depth.si`` and, for each block, ``heads.si`` and ``ffn.si``.
    Smaller images than the published 224 px are cut into 16x16 patches or a few more; larger ones into patches of 14 px.
    """

    stages: tuple[TokenStage, TokenStage, TokenStage] = field(kw_only=True)
    winners: Mapping[str, Published] = field(default_factory=dict, kw_only=True)

    @property
    def deepest(self) -> Sequence[int]:
        return [max(stage.depth) for stage in self.stages]

    def genes(self) -> Sequence[Gene]:
        return stage_by_stage(
            per_stage("width", [stage.width for stage in self.stages]),
            per_stage("depth", [stage.depth for stage in self.stages]),
            per_stage("heads", [stage.heads for stage in self.stages], per="depth"),
            per_stage("ffn", [stage.ffn for stage in self.stages], per="depth"),
        )

    def published(self) -> Mapping[str, Published]:
        return self.winners

    def stem(self) -> Sequence[Site]:
        return [Site("stem", ("width.s1",), partial(self._stem, self.patch))]

    def transition(self, stage: int) -> Site:
        genes = (f"width.s{stage - 1}", f"width.s{stage}")
        return Site(f"stage{stage}_reduction", genes, partial(self._reduction, stage))

    def block(self, stage: int, block: int) -> Sequence[Site]:
        name, width = f"stage{stage}_block{block}", f"width.s{stage}"
        return [
            Site(f"{name}_attention", (width, f"heads.s{stage}[{block}]"), partial(self._attention, stage)),
            Site(f"{name}_ffn", (width, f"ffn.s{stage}[{block}]"), partial(self._ffn, stage)),
        ]

    def head(self) -> Site:
        return Site("head", ("width.s3",), self._head)

    @cached_property
    def patch(self) -> int:
        """The side of a patch."""
        size = self.task.side
        patch = min(PATCH, size // 16)
        if patch < 2 or patch % 2 or size % (4 * patch):
            step = 32 if size < 16 * PATCH else 4 * PATCH
            raise SpaceError(
                f"space '{self.name}': an image of side {size} has no square of even patches that can be halved twice; give "
                f"a multiple of 32 below {16 * PATCH} or one of {4 * PATCH} from there on, such as "
                f"{max(1, round(size / step)) * step}"
            )
        return patch

    def tokens(self, stage: int, width: int) -> Shape:
        """The patches of a stage and the class token."""
        side = self.task.side // self.patch >> (stage - 1)
        return (side * side + 1, width)

    def _stem(self, patch: int, width: int) -> LayerSpec:
        shapes = self.task.image_shape, self.tokens(1, width)
        return LayerSpec.of("conv_patch_embedding", *shapes, patch=patch, hidden=STEM_WIDTH)

    def _reduction(self, stage: int, narrow: int, wide: int) -> LayerSpec:
        return LayerSpec.of("residual_reduction", self.tokens(stage - 1, narrow), self.tokens(stage, wide))

    def _attention(self, stage: int, width: int, heads: int) -> LayerSpec:
        shape, head_width = self.tokens(stage, width), self.stages[stage - 1].head_width
        return LayerSpec.of("attention", shape, shape, heads=heads, head_width=head_width, reach=0)

    def _ffn(self, stage: int, width: int, hidden: int) -> LayerSpec:
        shape = self.tokens(stage, width)
        return LayerSpec.of("feed_forward", shape, shape, hidden=hidden)

    def _head(self, width: int) -> LayerSpec:
        return LayerSpec.of("classifier", self.tokens(3, width), (self.task.num_classes,), pool="class")


def _published(
    width: Sequence[int], heads: Sequence[Sequence[int]], ffn: Sequence[Sequence[int]], num_params: int, gmacs: float
) -> Published:
    genes = stage_values(width=width, depth=map(len, heads), heads=map(tuple, heads), ffn=map(tuple, ffn))
    return Published(genes, num_params, gmacs * 1e9)


def reference(task: Task = Task()) -> ViTResNAS:
    """Around ViT-Res-Tiny, made by hand with heads of 64 channels everywhere; the choices smaller than its own are ours."""
    deepest = (2, 3, 4)
    return ViTResNAS(
        "vitres",
        task,
        stages=(
            TokenStage((128, 160, 192), deepest, (2, 3), 64, (384, 576, 768)),
            TokenStage((256, 320, 384), deepest, (4, 5, 6), 64, (768, 1152, 1536)),
            TokenStage((512, 640, 768), deepest, (8, 10, 12), 64, (1536, 2304, 3072)),
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
            TokenStage((160, 176, 192, 224, 256), depth, (3, 4, 5, 6), 32, tuple(range(384, 769, 64))),
            TokenStage((320, 352, 384, 448, 512), depth, (6, 8, 10, 12), 48, tuple(range(768, 1537, 128))),
            TokenStage((640, 704, 768, 896, 1024), depth, (6, 8, 10, 12), 64, tuple(range(1536, 3073, 256))),
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
            TokenStage((200, 220, 240, 280, 320), depth, (5, 6, 7, 8), 32, tuple(range(480, 961, 80))),
            TokenStage((400, 440, 480, 560, 640), depth, (10, 12, 14, 16), 48, tuple(range(960, 1921, 160))),
            TokenStage((800, 880, 960, 1120, 1280), depth, (10, 12, 14, 16), 64, tuple(range(1920, 3841, 320))),
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
