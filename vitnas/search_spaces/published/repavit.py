"""RePaViT (Xu et al., 2025): plain ViTs most of whose FFN channels bypass the activation, so that they cost next to nothing.

An FFN has norms of the batch. Once trained, they and the two products of the idle channels are one product from width to
width. Parameters are counted as they are trained, whatever idles; MACs as they are deployed.
"""

from __future__ import annotations

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.space import Published, Task

DEPTH = 12
ACTIVE = (0.0, 0.25, 0.5, 0.75)
"""Shares of FFN channels that take the activation; the published networks have the first three."""

NETWORKS = {
    "Ti": (3, 5_735_848, (643_657_728, 817_950_720, 992_243_712)),
    "S": (6, 22_087_528, (2_158_780_416, 2_855_952_384, 3_553_124_352)),
    "B": (12, 86_641_384, (7_803_420_672, 10_592_108_544, 13_380_796_416)),
}
"""Heads, parameters, and MACs with each share throughout."""


def repavit(task: Task = Task()) -> PlainViT:
    """The widths of DeiT-Ti to DeiT-B, twelve blocks, and a share of active FFN channels for each."""
    winners = {}
    for size, (heads, num_params, macs_of) in NETWORKS.items():
        for active, macs in zip(ACTIVE, macs_of, strict=False):
            genes: dict[str, GeneValue] = {
                "width": 64 * heads,
                "depth": DEPTH,
                "mlp_ratio": (4.0,) * DEPTH,
                "heads": (heads,) * DEPTH,
                "active": (active,) * DEPTH,
            }
            winners[f"RePaViT-{size} {1 - active:g}"] = Published(genes, num_params, macs)
    return PlainViT(
        "repavit",
        task,
        width=(192, 384, 768),
        depth=(DEPTH,),
        heads=(3, 6, 12),
        mlp_ratio=(4.0,),
        active=ACTIVE,
        winners=winners,
    )
