"""Attention after which there are fewer tokens: against plain attention, and against a keeping and a merging written naively."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from vitnas.search_spaces import LayerSpec
from vitnas.supernets.counting.counts import count_layer
from vitnas.supernets.layers import build
from vitnas.supernets.layers.attention import Attention
from vitnas.supernets.layers.reducing_attention import LEAST_WEIGHT, ReducingAttention

PATCHES, WIDTH, HEADS, HEAD_WIDTH = 12, 16, 2, 6
By = Literal["keep", "merge"]
each_way = pytest.mark.parametrize("by", ["keep", "merge"])


def spec(left: int, by: By, patches: int = PATCHES) -> LayerSpec:
    attrs = {"heads": HEADS, "head_width": HEAD_WIDTH}
    return LayerSpec.of("reducing_attention", (1 + patches, WIDTH), (1 + left, WIDTH), by=by, **attrs)


def pair(left: int, by: By, seed: int = 0) -> tuple[Attention, ReducingAttention]:
    """A plain attention with random weights, and the reducing one with the same weights."""
    torch.manual_seed(seed)
    shape = (1 + PATCHES, WIDTH)
    plain = build(LayerSpec.of("attention", shape, shape, heads=HEADS, head_width=HEAD_WIDTH, reach=0)).eval()
    layer = build(spec(left, by)).eval()
    assert isinstance(plain, Attention)
    assert isinstance(layer, ReducingAttention)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.normal_(0, 0.5)
    layer.load_state_dict(plain.state_dict())
    return plain, layer


def tokens(seed: int, n: int = 3) -> Tensor:
    return torch.randn(n, 1 + PATCHES, WIDTH, generator=torch.Generator().manual_seed(seed))


def naively_kept(plain: Attention, x: Tensor, left: int) -> list[Tensor]:
    q, k, _ = plain.queries_keys_values(x)
    scores = (q @ k.transpose(-2, -1) / HEAD_WIDTH**0.5).softmax(-1).mean(dim=1)[:, 0, 1:]
    found = []
    for image, seen in zip(plain(x), scores.tolist(), strict=True):
        ranked = sorted(range(PATCHES), key=lambda patch: -seen[patch])
        kept, others = ranked[: left - 1], ranked[left - 1 :]
        weights = [seen[patch] + LEAST_WEIGHT for patch in others]
        fused = sum(w * image[1 + patch] for w, patch in zip(weights, others, strict=True)) / sum(weights)
        found.append(torch.stack([image[0], *(image[1 + patch] for patch in kept), torch.as_tensor(fused)]))
    return found


def naively_merged(plain: Attention, x: Tensor, left: int) -> list[Tensor]:
    """One patch after the other in lists, with no array over images."""
    _, k, _ = plain.queries_keys_values(x)
    found = []
    for image, keys in zip(plain(x), k.mean(dim=1), strict=True):
        groups = [[patch] for patch in range(1, 1 + PATCHES)]
        while len(groups) > left:
            offered, receiving = groups[::2], groups[1::2]
            directions = [F.normalize(keys[group].mean(dim=0), dim=0) for group in groups]
            best = []
            for i, group in enumerate(offered):
                likeness = [float(directions[2 * i] @ directions[2 * j + 1]) for j in range(len(receiving))]
                best.append((max(likeness), likeness.index(max(likeness)), group))
            best.sort(key=lambda one: -one[0])
            moving = min(len(groups) - left, len(offered))
            for _, to, group in best[:moving]:
                receiving[to] = receiving[to] + group
            groups = [group for _, _, group in best[moving:]] + receiving
        found.append(torch.stack([image[0], *(image[group].mean(dim=0) for group in groups)]))
    return found


@torch.no_grad()
@each_way
def test_where_nothing_goes_it_is_plain_attention_to_the_bit(by: By) -> None:
    plain, layer = pair(PATCHES, by)
    x = tokens(1)
    assert torch.equal(layer(x), plain(x))
    assert layer.is_residual()
    assert not pair(5, by)[1].is_residual()


@torch.no_grad()
@pytest.mark.parametrize("left", [1, 2, 5, 11])
@given(seed=st.integers(0, 2**16))
def test_the_kept_patches_are_those_of_a_naive_choice(left: int, seed: int) -> None:
    plain, layer = pair(left, "keep", seed)
    x = tokens(seed)
    torch.testing.assert_close(layer(x), torch.stack(naively_kept(plain, x, left)), rtol=0, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("left", [1, 3, 6, 11])
@given(seed=st.integers(0, 2**16))
def test_a_merge_is_that_of_a_naive_one(left: int, seed: int) -> None:
    plain, layer = pair(left, "merge", seed)
    x = tokens(seed)
    torch.testing.assert_close(layer(x), torch.stack(naively_merged(plain, x, left)), rtol=0, atol=1e-4)


@torch.no_grad()
@given(seed=st.integers(0, 2**16), left=st.integers(1, PATCHES - 1))
def test_the_kept_set_does_not_change_when_patches_are_permuted(seed: int, left: int) -> None:
    _, layer = pair(left, "keep", seed)
    x = tokens(seed)
    order = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(PATCHES)])
    torch.testing.assert_close(layer(x[:, order]), layer(x), rtol=0, atol=1e-4)
    alone = layer.members(x)[..., order] > 0
    assert torch.equal(layer.members(x[:, order]) > 0, alone)


@torch.no_grad()
@each_way
@given(seed=st.integers(0, 2**16), left=st.integers(1, PATCHES))
def test_every_token_goes_into_one_and_the_answer_is_their_mean(by: By, seed: int, left: int) -> None:
    plain, layer = pair(left, by, seed)
    x = tokens(seed)
    members = layer.members(x)
    assert torch.equal((members > 0).sum(dim=1), torch.ones(len(x), 1 + PATCHES, dtype=torch.long))
    torch.testing.assert_close(members.sum(dim=2), torch.ones(len(x), 1 + left))
    torch.testing.assert_close(members @ plain(x), layer(x), rtol=0, atol=1e-4)


@each_way
def test_the_choice_costs_little(by: By) -> None:
    """Beside attention on all tokens: a row of scores and a mean, or likenesses, moves and their keys."""
    plain, layer = pair(7, by)
    moving, offered, receiving = 5, 6, 6
    more = {
        "keep": HEADS * HEAD_WIDTH * (1 + PATCHES) + WIDTH * (PATCHES - 6),
        "merge": offered * receiving * HEAD_WIDTH + moving * receiving * (WIDTH + HEAD_WIDTH + 1),
    }
    assert count_layer(layer.spec).macs == count_layer(plain.spec).macs + more[by]
    assert count_layer(layer.spec).num_params == count_layer(plain.spec).num_params


def test_the_two_ways_share_weights() -> None:
    """So that an arch that keeps and one that merges are slices of one layer."""
    both = LayerSpec.join([spec(5, "keep"), spec(7, "merge")])
    layer = build(both)
    for left, by in ((5, "keep"), (7, "merge")):
        small = layer.at(spec(left, by))  # type: ignore[arg-type]
        assert isinstance(small, ReducingAttention)
        assert small.attrs.by == by
        assert small(tokens(0)).shape == (3, 1 + left, WIDTH)


@each_way
def test_gradients_reach_every_token_that_is_mixed_in(by: By) -> None:
    _, layer = pair(4, by)
    x = tokens(3).requires_grad_()
    layer(x).square().sum().backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(dim=2) > 0).all()
