"""AttentiveNAS and NASViT against closed formulas, and their sizes against products of choices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.oracle import closed_forms, needs_oracle
from vitnas.search_spaces import Arch, load_space
from vitnas.search_spaces.published.mobile_stages import multiple_of_8
from vitnas.supernets.counting.counts import count

FORM: dict[str, dict[str, Any]] = {
    "attentivenas": {"stride": (1, 2, 2, 2, 1, 2, 1)},
    "nasvit": {"stride": (1, 2, 2, 2, 2, 1, 2), "nasvit": True},
}


def _columns(arch: Arch) -> tuple[Any, ...]:
    genes = dict(arch.genes)

    def each(gene: str) -> list[Any]:
        return [genes[f"{gene}.s{i}"] for i in range(1, 8)]

    width = [genes["width.stem"], *each("width"), genes["width.head"]]
    return genes["resolution"], width, each("depth"), each("kernel"), each("expansion")


@pytest.mark.heavy
@needs_oracle
@pytest.mark.parametrize("name", FORM)
def test_random_archs_count_as_the_closed_form_says(name: str) -> None:
    space = load_space(name)
    for arch in [space.smallest(), space.largest(), *space.sample(6, np.random.default_rng(0))]:
        num_params, macs, _ = closed_forms().attentive(*_columns(arch), **FORM[name])
        found = count(space.lower(arch))
        assert (found.num_params, found.macs) == (num_params, macs)


def test_the_spaces_are_as_large_as_their_choices_multiply_to() -> None:
    widths, depths = 2 * 2 * 2 * 2 * 2 * 3 * 4 * 2 * 2, 2 * 3 * 4 * 4 * 6 * 6 * 2
    assert load_space("attentivenas").genome.size() == 4 * widths * depths * 2**7 * 3**4
    widths, depths = 2 * 2 * 2 * 2 * 2 * 3 * 4 * 3 * 2, 2 * 3 * 4 * 4 * 7 * 6 * 4
    size = load_space("nasvit").genome.size()
    assert size == 4 * widths * depths * 2**2 * 3**4
    assert size == pytest.approx(4.8e10, rel=0.01)  # as its authors count it


def test_static_models_of_attentivenas_carry_unused_shortcuts_that_ours_do_not() -> None:
    space = load_space("attentivenas")
    blocks = [layer for layer in space.lower(space.named("A0")) if layer.kind == "mbconv"]
    unused = sum(
        math.prod((layer.in_shape[0], layer.out_shape[0]))
        for layer in blocks
        if layer["stride"] == 1 and layer.in_shape == layer.out_shape
    )
    assert space.published()["A0"].num_params + unused == 9_064_648


@pytest.mark.parametrize(("channels", "rounded"), [(1, 8), (12, 16), (19, 24), (20, 24), (24, 24), (60, 64), (84, 88)])
def test_channels_round_to_multiples_of_8_without_losing_a_tenth(channels: int, rounded: int) -> None:
    assert multiple_of_8(channels) == rounded
