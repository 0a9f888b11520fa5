"""Fusion: a network and an exchanged copy of it are one function, and so is their mean once they are aligned."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from vitnas.errors import SettingsError, TrainingError
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.supernets.data import Dataset, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.fusion.fusion import fuse_networks
from vitnas.supernets.pruning.order import ChannelScores, orderable, sort_channels, streams
from vitnas.supernets.supernet import Supernet, build_network

SPACES = ("autoformer-mini", "efficientformerv2", "nextvit", "swin")
DIGITS = Task(8, 10, 1)


def lively(space: SearchSpace, arch: Arch) -> Supernet:
    """Random weights and statistics, without zeros and ones that many channels share."""
    net = Supernet(space.alone(arch), seed=1).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
        for buffer in net.buffers():
            if buffer.is_floating_point():
                buffer.mul_(torch.empty_like(buffer).uniform_(0.8, 1.2))
    return net


def exchanged(net: Supernet) -> nn.Sequential:
    """The network with the channels of everything that can be exchanged in another order."""
    arch = net.space.largest()
    attributes = {place: torch.rand(channels.size) for place, _, channels in orderable(net, arch)}
    sort_channels(net, ChannelScores(attributes, tuple(torch.rand(stream.size) for stream in streams(net, arch))))
    return net.extract(arch)


MARKS = {"autoformer-mini": (), "swin": (pytest.mark.slow,)}


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, (pytest.mark.heavy,))) for name in SPACES])
def net(request: pytest.FixtureRequest) -> Supernet:
    torch.manual_seed(2)
    mini = request.param == "autoformer-mini"
    space = load_space(request.param, DIGITS if mini else Task(64, 10, 3))
    return lively(space, space.smallest())


@torch.no_grad()
def test_a_network_and_its_exchanged_copy_are_fused_into_the_same_function(net: Supernet) -> None:
    first = net.extract(net.space.largest())
    second = exchanged(net)
    x = torch.randn(2, *net.space.task.image_shape)
    expected = first(x)
    plain = [a.lerp(b, 0.5) for a, b in zip(first.parameters(), second.parameters(), strict=True)]
    assert any(not torch.allclose(a, b, atol=1e-3) for a, b in zip(plain, first.parameters(), strict=True))
    fused = fuse_networks(first, second)
    assert fused.alone == ()
    torch.testing.assert_close(fused.network(x), expected, rtol=0, atol=3e-5 * float(expected.abs().max()))


@torch.no_grad()
def test_a_network_fused_with_itself_is_itself(net: Supernet) -> None:
    first, second = net.extract(net.space.largest()), net.extract(net.space.largest())
    fused = fuse_networks(first, second, 0.3).network.state_dict()
    assert all(torch.equal(fused[name], tensor) for name, tensor in first.state_dict().items())


@pytest.fixture(scope="module")
def mini() -> SearchSpace:
    return load_space("autoformer-mini", DIGITS)


def arch_of(space: SearchSpace, **genes: object) -> Arch:
    return space.arch(**{"width": 48, "depth": 3, "mlp_ratio": (2.0,) * 3, "heads": (3,) * 3, **genes})


@torch.no_grad()
@pytest.mark.parametrize("wide_first", [True, False])
def test_units_that_are_there_twice_are_one(mini: SearchSpace, wide_first: bool) -> None:
    """Twice the hidden units, each with half of what goes out of it, in any order."""
    torch.manual_seed(3)
    narrow = lively(mini, arch_of(mini)).extract(arch_of(mini))
    wide = Supernet(mini).extract(arch_of(mini, mlp_ratio=(4.0,) * 3))
    state = narrow.state_dict()
    for site in (f"block{i}_ffn" for i in range(3)):
        order = torch.randperm(192) % 96
        state[f"{site}.expand.weight"] = state[f"{site}.expand.weight"][order]
        state[f"{site}.expand.bias"] = state[f"{site}.expand.bias"][order]
        state[f"{site}.reduce.weight"] = state[f"{site}.reduce.weight"][:, order] / 2
    wide.load_state_dict(state)
    x = torch.randn(2, 1, 8, 8)
    torch.testing.assert_close(wide(x), narrow(x), rtol=1e-4, atol=1e-5)
    first, second = (wide, narrow) if wide_first else (narrow, wide)
    fused = fuse_networks(first, second)
    assert fused.alone == ()
    torch.testing.assert_close(fused.network(x), narrow(x), rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "attribute"),
    [("prune:deit/DeiT-Ti", "key_width"), ("prune:deit/DeiT-Ti", "value_width"), ("low-rank-vit", "")],
)
def test_a_share_of_all_is_the_second_whatever_its_sizes(name: str, attribute: str) -> None:
    """Widths of queries and keys, where a sum is over products of channels, and ranks at which weights are made beforehand."""
    space = load_space(name, Task(image_size=32, in_channels=3, num_classes=5))
    large = dict((space.largest() if attribute else space.smallest()).genes)
    if attribute:
        small = {gene: value // 2 if gene.endswith(attribute) else value for gene, value in large.items()}
    else:
        large, small = ({**large, "rank": (rank,) * large["depth"]} for rank in (1.0, 0.5))
    first, second = (lively(space, space.arch(**genes)).extract(space.arch(**genes)) for genes in (large, small))
    fused = fuse_networks(first, second, 1.0)
    assert fused.alone == ()
    x = torch.randn(2, 3, 32, 32)
    torch.testing.assert_close(fused.network(x), second(x), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_layers_without_a_partner_stay_as_they_are(mini: SearchSpace) -> None:
    deep, shallow = arch_of(mini, depth=4, mlp_ratio=(2.0,) * 4, heads=(3,) * 4), arch_of(mini)
    first, second = lively(mini, deep).extract(deep), lively(mini, shallow).extract(shallow)
    fused = fuse_networks(first, second)
    assert set(fused.alone) == {"block3_attention", "block3_ffn"}
    for name, tensor in fused.network.state_dict().items():
        assert torch.equal(tensor, first.state_dict()[name]) == name.startswith("block3"), name


@torch.no_grad()
def test_all_sizes_may_differ_at_once(mini: SearchSpace) -> None:
    small = arch_of(mini)
    large = arch_of(mini, width=64, depth=4, mlp_ratio=(3.0,) * 4, heads=(4,) * 4)
    nets = [lively(mini, arch).extract(arch) for arch in (small, large)]
    for first, second in (nets, nets[::-1]):
        fused = fuse_networks(first, second).network
        assert {n: t.shape for n, t in fused.state_dict().items()} == {
            n: t.shape for n, t in first.state_dict().items()
        }
        assert fused(torch.randn(2, 1, 8, 8)).isfinite().all()


def test_a_share_of_none_is_the_first_and_more_than_all_is_refused(mini: SearchSpace) -> None:
    arch = arch_of(mini)
    first, second = (Supernet(mini, seed).extract(arch) for seed in (0, 1))
    fused = fuse_networks(first, second, 0.0).network.state_dict()
    assert all(torch.equal(fused[name], tensor) for name, tensor in first.state_dict().items())
    with pytest.raises(SettingsError, match="share is 1.5; .* from 0 to 1"):
        fuse_networks(first, second, 1.5)


def test_networks_that_went_astray_or_have_nothing_in_common_are_refused(mini: SearchSpace) -> None:
    arch = arch_of(mini)
    first, second = (Supernet(mini, seed).extract(arch) for seed in (0, 1))
    with pytest.raises(SettingsError, match="have no layer in common .* give two archs of one space"):
        fuse_networks(first, first[-1:])
    with torch.no_grad():
        next(second.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"'stem\.\S+' has weights that are not finite"):
        fuse_networks(first, second)


def train(net: Supernet, digits: Dataset, epochs: range) -> None:
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=0.02)
    for epoch in epochs:
        for x, y in digits.train.shuffled(epoch).batches(64):
            optimizer.zero_grad()
            F.cross_entropy(net(x, net.space.largest()), y).backward()
            optimizer.step()


@pytest.mark.heavy
def test_two_tunings_of_one_network_are_averaged_whatever_order_their_channels_have(mini: SearchSpace) -> None:
    digits, arch = load_dataset("digits"), arch_of(mini)
    net = Supernet(mini.alone(arch), seed=1)
    train(net, digits, range(4))
    tuned = deepcopy(net)
    train(tuned, digits, range(8, 9))
    first, second, mixed = net.eval().extract(arch), tuned.eval().extract(arch), exchanged(tuned)
    expected = fuse_networks(first, second).network
    blind = build_network(mini.lower(arch))
    blind.load_state_dict({n: t.lerp(mixed.state_dict()[n], 0.5) for n, t in first.state_dict().items()})
    fused, accuracy = fuse_networks(first, mixed).network, evaluate(first, digits.val).accuracy
    x = digits.val.sample(64).all()[0]
    torch.testing.assert_close(fused(x), expected(x), rtol=1e-3, atol=1e-3)
    assert evaluate(fused, digits.val).accuracy > accuracy - 0.1
    assert evaluate(blind.eval(), digits.val).accuracy < accuracy - 0.3
