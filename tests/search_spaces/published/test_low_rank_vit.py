"""Low-rank ViTs: DeiT at full rank, fewer products below it."""

from __future__ import annotations

import pytest

from vitnas.search_spaces import load_space
from vitnas.supernets.counting.counts import count


@pytest.mark.parametrize("size", ["Ti", "S", "B"])
def test_full_rank_takes_the_products_of_deit(size: str) -> None:
    own, deit = load_space("low-rank-vit"), load_space("deit")
    full, given = count(own.lower(own.named(f"DeiT-{size}"))), count(deit.lower(deit.named(f"DeiT-{size}")))
    assert full.macs == given.macs
    assert full.activation_bytes == given.activation_bytes


def test_every_block_has_a_rank_of_its_own() -> None:
    space = load_space("low-rank-vit")
    genes = dict(space.named("DeiT-Ti").genes)
    blueprint = space.lower(space.arch(**genes | {"rank": (0.25, *(1.0,) * 11)}))
    ranks = {site: spec["rank"] for site, spec in blueprint.items() if site.startswith("block")}
    assert ranks.pop("block0_attention") == ranks.pop("block0_ffn") == 48
    assert set(ranks.values()) == {192}
    less = count(space.lower(space.named("DeiT-Ti"))).macs - count(blueprint).macs
    products = 12 * 192**2 - 48 * (4 + 2 + 5 + 5) * 192
    assert less == 197 * products
