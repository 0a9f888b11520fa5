"""AutoFormer (Chen et al., 2021): plain ViTs with 2-D relative positions on keys and values.

The released choices, but for one: the published winner of the tiny space uses an FFN ratio of
3.0 that its released list omits, so the list here holds it. `restrict(mlp_ratio=(3.5, 4.0))`
gives the released space.
"""

from __future__ import annotations

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.space import Published, Task


def _winner(width: int, ratios: list[float], heads: list[int], num_params: int, gmacs: float) -> Published:
    genes: dict[str, GeneValue] = {
        "width": width,
        "depth": len(heads),
        "mlp_ratio": tuple(ratios),
        "heads": tuple(heads),
    }
    return Published(genes, num_params, gmacs * 1e9)


def tiny(task: Task = Task()) -> PlainViT:
    """AutoFormer-T, 5 to 11 million parameters."""
    ratios = [3.5, 3.5, 3.0, 3.5, 3.0, 3.0, 4.0, 4.0, 3.5, 4.0, 3.5, 4.0, 3.5]
    return PlainViT(
        "autoformer-tiny",
        task,
        width=(192, 216, 240),
        depth=(12, 13, 14),
        heads=(3, 4),
        mlp_ratio=(3.0, 3.5, 4.0),
        relative_reach=14,
        pool="mean",
        winners={"AutoFormer-T": _winner(192, ratios, [3] * 10 + [4, 3, 3], 5_867_944, 1.4819)},
    )


def small(task: Task = Task()) -> PlainViT:
    """AutoFormer-S, 13 to 35 million parameters."""
    ratios = [3.0, 3.5, 3.0, 3.5, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 3.5, 4.0]
    heads = [6, 6, 5, 7, 5, 5, 5, 6, 6, 7, 7, 6, 7]
    return PlainViT(
        "autoformer-small",
        task,
        width=(320, 384, 448),
        depth=(12, 13, 14),
        heads=(5, 6, 7),
        mlp_ratio=(3.0, 3.5, 4.0),
        relative_reach=14,
        pool="mean",
        winners={"AutoFormer-S": _winner(384, ratios, heads, 22_891_432, 5.1614)},
    )


def base(task: Task = Task()) -> PlainViT:
    """AutoFormer-B, 42 to 77 million parameters."""
    ratios = [3.5, 3.5, 4.0, 3.5, 4.0, 3.5, 3.5, 3.0, 4.0, 4.0, 3.0, 4.0, 3.0, 3.5]
    heads = [9, 9, 9, 9, 9, 10, 9, 9, 10, 9, 10, 9, 9, 10]
    return PlainViT(
        "autoformer-base",
        task,
        width=(528, 576, 624),
        depth=(14, 15, 16),
        heads=(9, 10),
        mlp_ratio=(3.0, 3.5, 4.0),
        relative_reach=14,
        pool="mean",
        winners={"AutoFormer-B": _winner(576, ratios, heads, 53_691_688, 11.6912)},
    )


def mini(task: Task = Task(image_size=8, num_classes=10, in_channels=1)) -> PlainViT:
    """The same genes for 8x8 to 32x32 images; trains on a laptop in minutes."""
    return PlainViT(
        "autoformer-mini",
        task,
        width=(48, 64, 80),
        depth=(3, 4, 5, 6),
        heads=(2, 3, 4),
        mlp_ratio=(2.0, 3.0, 4.0),
        patch=2 if max(task.sides) <= 16 else 4,
        head_width=16,
        relative_reach=14,
        pool="mean",
    )
