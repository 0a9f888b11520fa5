"""Low-rank ViTs (after Greenformers): every weight of a plain ViT as the product of two narrow ones.

At full rank a network is a DeiT, whose pretrained weights it takes; lower ranks are the first columns and rows of the two.
"""

from __future__ import annotations

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.space import Published, Task

DEPTH = 12
RANKS = (0.125, 0.25, 0.375, 0.5, 0.75, 1.0)
"""Of every block, as shares of the width; from 3/4 on attention takes what it takes at full rank, and the FFN nearly."""

NETWORKS = {
    "Ti": (3, 7_496_104, 1_253_683_200),
    "S": (6, 29_146_984, 4_598_882_304),
    "B": (12, 114_916_072, 17_563_828_224),
}
"""Heads, parameters and MACs of DeiT at full rank: there are more parameters than DeiT has, and as many MACs."""


def low_rank_vit(task: Task = Task()) -> PlainViT:
    """The widths of DeiT-Ti to DeiT-B, twelve blocks, and a rank for each."""
    winners = {}
    for size, (heads, num_params, macs) in NETWORKS.items():
        genes: dict[str, GeneValue] = {
            "width": 64 * heads,
            "depth": DEPTH,
            "mlp_ratio": (4.0,) * DEPTH,
            "heads": (heads,) * DEPTH,
            "rank": (1.0,) * DEPTH,
        }
        winners[f"DeiT-{size}"] = Published(genes, num_params, macs)
    return PlainViT(
        "low-rank-vit",
        task,
        width=(192, 384, 768),
        depth=(DEPTH,),
        heads=(3, 6, 12),
        mlp_ratio=(4.0,),
        rank=RANKS,
        winners=winners,
    )
