"""RePaViT: the counts of its networks as deployed, and what a share of active channels means."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces import load_space
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.counting.counts import count

MERGED = {
    ("Ti", 0.5): (4_381_288, 0.9922),
    ("Ti", 0.75): (3_494_248, 0.8180),
    ("Ti", 1): (2_607_208, 0.6437),
    ("S", 0.5): (16_724_200, 3.5531),
    ("S", 0.75): (13_180_648, 2.8560),
    ("S", 1): (9_637_096, 2.1588),
    ("B", 0.5): (65_297_896, 13.3808),
    ("B", 0.75): (51_132_904, 10.5921),
    ("B", 1): (36_967_912, 7.8034),
}
"""Share of idle channels -> parameters and GMACs of the merged networks that were released."""


@pytest.mark.parametrize(("size", "idle"), MERGED)
def test_macs_are_those_of_the_merged_network_and_so_is_what_a_file_holds(size: str, idle: float) -> None:
    """Their patches have no bias and a norm, ``width`` numbers more."""
    space = load_space("repavit")
    blueprint = space.lower(space.named(f"RePaViT-{size} {idle:g}"))
    num_params, gmacs = MERGED[size, idle]
    assert count(blueprint).macs == pytest.approx(gmacs * 1e9, rel=1e-4)
    others = count(spec for spec in blueprint if spec.kind != "idle_feed_forward").num_params
    width = blueprint.layers[-1].in_shape[-1]
    active = sum(spec["active"] for spec in blueprint if spec.kind == "idle_feed_forward")
    assert others + 12 * (width**2 + width) + active * (2 * width + 1) + width == num_params


def test_the_share_of_active_channels_changes_no_parameter() -> None:
    space = load_space("repavit").restrict(width=(192,), heads=(3,))
    archs = space.sample(5, np.random.default_rng(0))
    assert {count(space.lower(arch)).num_params for arch in archs} == {5_735_848}
    assert len({count(space.lower(arch)).macs for arch in archs}) > 1


def small(**forms: object) -> PlainViT:
    return PlainViT("small", width=(64,), depth=(1,), heads=(1,), mlp_ratio=(2.0,), **forms)  # type: ignore[arg-type]


def test_a_block_has_one_form() -> None:
    with pytest.raises(
        SpaceError, match="no layer of low rank has active or relative_reach; leave out rank, or active"
    ):
        small(active=(0.5,), rank=(0.5,), relative_reach=3).lowering  # noqa: B018
    assert small(active=(0.5,), relative_reach=3).lowering.specs


@pytest.mark.parametrize("forms", [{"active": (0.5, 1.5)}, {"rank": (0.0, 1.0)}])
def test_shares_are_shares(forms: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(SpaceError, match=r"takes shares (from 0|above 0) up to 1, got (1.5|0.0)"):
        small(**forms).lowering  # noqa: B018
