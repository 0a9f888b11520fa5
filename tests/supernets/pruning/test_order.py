from __future__ import annotations

from copy import deepcopy

import pytest
import torch

from vitnas.errors import TrainingError
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.order import ChannelScores, orderable, sort_channels, streams

pytestmark = pytest.mark.heavy  # a network is trained

HIDDEN = ("block1_ffn-feed_forward", "hidden")


def scores_of(net, arch=None, seed=0):
    arch = net.space.largest() if arch is None else arch
    draw = torch.Generator().manual_seed(seed)
    attributes = {place: torch.rand(c.size, generator=draw) for place, _, c in orderable(net, arch)}
    return ChannelScores(attributes, tuple(torch.rand(s.size, generator=draw) for s in streams(net, arch)))


@torch.no_grad()
def test_the_network_answers_as_before_and_prefixes_keep_the_best(trained, digits):
    net, x = deepcopy(trained), digits.val.sample(16).all()[0]
    scores, arch = scores_of(net), net.space.largest()
    before = net(x, arch)
    done = sort_channels(net, scores)
    torch.testing.assert_close(net(x, arch), before, rtol=0, atol=3e-5 * float(before.abs().max()))
    old, new = (n.layers[HIDDEN[0]] for n in (trained, net))
    assert isinstance(new, Layer)
    best = scores.attributes[HIDDEN].argsort(descending=True)
    width = scores.streams[0].argsort(descending=True)
    torch.testing.assert_close(new.expand.weight, old.expand.weight[best][:, width])
    torch.testing.assert_close(new.reduce.weight, old.reduce.weight[:, best][width])
    assert "block1_ffn-feed_forward.hidden" in done.sorted
    assert "block2_attention-attention.heads" in done.sorted
    assert any(name.startswith("width from") for name in done.sorted)


def test_what_cannot_be_exchanged_is_named(trained):
    done = sort_channels(deepcopy(trained), scores_of(trained))
    assert {name.rpartition(".")[2] for name in done.refused} == {"patch", "reach"}
    assert not set(done.sorted) & set(done.refused)


def test_nothing_moves_where_nothing_is_said(trained):
    net = deepcopy(trained)
    done = sort_channels(net, ChannelScores({}))
    assert not done.sorted
    assert "the importance says nothing of its channels" in done.refused.values()
    assert all((a == b).all() for a, b in zip(net.parameters(), trained.parameters(), strict=True))


def test_sorting_twice_is_sorting_once(trained):
    net = deepcopy(trained)
    scores = scores_of(net)
    sort_channels(net, scores)
    again = deepcopy(net)
    falling = {place: score.sort(descending=True).values for place, score in scores.attributes.items()}
    sort_channels(again, ChannelScores(falling, tuple(s.sort(descending=True).values for s in scores.streams)))
    assert all((a == b).all() for a, b in zip(net.parameters(), again.parameters(), strict=True))


@torch.no_grad()
def test_a_smaller_network_that_was_given_keeps_its_answers(trained, digits):
    """The largest arch has channels that the given one lacks; they stay where they are."""
    net, x = deepcopy(trained), digits.val.sample(8).all()[0]
    space = net.space
    given = space.arch(width=48, depth=3, mlp_ratio=(3.0,) * 3, heads=(3,) * 3)
    before = net(x, given)
    sort_channels(net, scores_of(net, given), given)
    torch.testing.assert_close(net(x, given), before, rtol=0, atol=3e-5 * float(before.abs().max()))
    layer, old = (n.layers[HIDDEN[0]] for n in (net, trained))
    torch.testing.assert_close(layer.expand.bias[144:], old.expand.bias[144:])
    assert (layer.expand.bias[:144] != old.expand.bias[:144]).any()


def test_a_change_of_the_answers_is_an_error(trained, monkeypatch):
    from vitnas.supernets.pruning import order

    answers = iter([torch.zeros(2, 10), torch.ones(2, 10)])
    monkeypatch.setattr(order, "_answers", lambda net, arch: next(answers))
    with pytest.raises(TrainingError, match=r"changed the answers .* set init_order = \"none\""):
        sort_channels(deepcopy(trained), ChannelScores({}))
