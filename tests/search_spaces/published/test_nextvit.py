"""Next-ViT's hybrid strategy and its counts by arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.search_spaces import load_space
from vitnas.supernets.counting.counts import count_layer


def _kinds(groups: int) -> str:
    space = load_space("nextvit")
    arch = space.named({2: "Next-ViT-S", 4: "Next-ViT-B", 6: "Next-ViT-L"}[groups])
    letters = {"next_conv_block": "C", "next_transformer_block": "T", "pool_embedding": "", "stacked_stem": ""}
    return "".join(letters.get(spec.kind, "") for spec in space.lower(arch))


@pytest.mark.parametrize("groups", [2, 4, 6])
def test_published_archs_repeat_groups_of_four_convolutions_and_a_transformer(groups: int) -> None:
    assert _kinds(groups) == "CCC" + "CCCT" + "CCCCT" * groups + "CCT"


def test_both_branches_of_every_transformer_block_are_whole_heads() -> None:
    space = load_space("nextvit")
    for spec in space.lowering.specs:
        if spec.kind == "next_transformer_block":
            low, width = spec.in_shape[0], spec.out_shape[0]
            assert low % 32 == 0
            assert (width - low) % 32 == 0
            assert low * 4 == width * 3


def test_blocks_count_by_arithmetic() -> None:
    space = load_space("nextvit")
    blocks = space.lower(space.named("Next-ViT-S"))
    conv = next(spec for spec in blocks if spec.kind == "next_conv_block" and spec.in_shape[0] == 384)
    d, places = 384, 14 * 14
    assert count_layer(conv).num_params == (288 * d + 2 * d + d * d) + 2 * d + (6 * d * d + 4 * d)
    assert count_layer(conv).macs == places * (288 * d + d * d + 6 * d * d)
    transformer = next(spec for spec in blocks if spec.kind == "next_transformer_block" and spec.in_shape[0] == 384)
    low, high, width = 384, 128, 512
    attention = places * 2 * low * low + places // 4 * 2 * low * low + 2 * places * (places // 4) * low
    convolution = places * (low * high + 288 * high + high * high)
    assert count_layer(transformer).macs == attention + convolution + places * 4 * width * width


def test_strides_and_widths_chain_for_random_archs() -> None:
    space = load_space("nextvit")
    for arch in space.sample(20, np.random.default_rng(0)):
        sides = [spec.in_shape[1] for spec in space.lower(arch)]
        assert sides == sorted(sides, reverse=True)
        assert sides[-1] == 7
