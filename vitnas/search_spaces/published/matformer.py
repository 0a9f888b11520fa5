"""MatFormer (Devvrit et al., 2023) as MatViT: a plain ViT of which only the FFNs are nested.

Every block chooses the first 1/2, 1, 2 or 4 times its width of hidden units; attention is never cut. The four
networks with one granularity throughout are trained; the archs are all mixes of granularities ("Mix'n'Match"), which
come for free. The published rule for choosing among them, no shrinking with depth and steps as small as possible, says
which mixes to prefer, not which there are.
"""

from __future__ import annotations

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.space import Published, Task

GRANULARITIES = (0.5, 1.0, 2.0, 4.0)
"""FFN width as a multiple of the network's."""
DEPTH = 12

TINY = ((2_612_776, 643_657_728), (3_056_296, 730_804_224), (3_943_336, 905_097_216), (5_717_416, 1_253_683_200))
SMALL = (
    (9_648_232, 2_158_780_416),
    (11_420_008, 2_507_366_400),
    (14_963_560, 3_204_538_368),
    (22_050_664, 4_598_882_304),
)
BASE = (
    (36_990_184, 7_803_420_672),
    (44_072_680, 9_197_764_608),
    (58_237_672, 11_986_452_480),
    (86_567_656, 17_563_828_224),
)
"""Parameters and MACs with each granularity throughout, by DeiT's formulas."""


def _nested(name: str, label: str, heads: int, counts: tuple[tuple[int, int], ...], task: Task) -> PlainViT:
    winners = {}
    for ratio, (num_params, macs) in zip(GRANULARITIES, counts, strict=True):
        genes: dict[str, GeneValue] = {
            "width": 64 * heads,
            "depth": DEPTH,
            "mlp_ratio": (ratio,) * DEPTH,
            "heads": (heads,) * DEPTH,
        }
        winners[f"{label} {int(64 * heads * ratio)}"] = Published(genes, num_params, macs)
    return PlainViT(
        name, task, width=(64 * heads,), depth=(DEPTH,), heads=(heads,), mlp_ratio=GRANULARITIES, winners=winners
    )


def tiny(task: Task = Task()) -> PlainViT:
    """MatViT-Ti/16: 192 channels, FFNs of 96 to 768."""
    return _nested("matformer-tiny", "MatViT-Ti", 3, TINY, task)


def small(task: Task = Task()) -> PlainViT:
    """MatViT-S/16: 384 channels, FFNs of 192 to 1536."""
    return _nested("matformer-small", "MatViT-S", 6, SMALL, task)


def base(task: Task = Task()) -> PlainViT:
    """MatViT-B/16: 768 channels, FFNs of 384 to 3072."""
    return _nested("matformer-base", "MatViT-B", 12, BASE, task)
