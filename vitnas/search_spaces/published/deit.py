"""DeiT (Touvron et al., 2021): the plain ViT with learned absolute positions and a class token."""

from __future__ import annotations

from vitnas.search_spaces.arch import GeneValue
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.space import Published, Task


def deit(task: Task = Task()) -> PlainViT:
    """Twelve blocks between DeiT-Ti and DeiT-B, heads of width 64."""

    def uniform(heads: int, num_params: int, gmacs: float) -> Published:
        genes: dict[str, GeneValue] = {
            "width": 64 * heads,
            "depth": 12,
            "mlp_ratio": (4.0,) * 12,
            "heads": (heads,) * 12,
        }
        return Published(genes, num_params, gmacs * 1e9)

    return PlainViT(
        "deit",
        task,
        width=(192, 384, 768),
        depth=(6, 8, 10, 12),
        heads=(3, 6, 12),
        mlp_ratio=(2.0, 3.0, 4.0),
        winners={
            "DeiT-Ti": uniform(3, 5_717_416, 1.2537),
            "DeiT-S": uniform(6, 22_050_664, 4.5989),
            "DeiT-B": uniform(12, 86_567_656, 17.5638),
        },
    )
