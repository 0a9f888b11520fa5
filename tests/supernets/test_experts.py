"""Experts weights averaging: laws of the update and of the partition, and that a run's weights are the mean."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import SettingsError
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.experts import Experts, Partition, check_experts
from vitnas.supernets.layers import Layer, build
from vitnas.supernets.settings.experts import ExpertSettings
from vitnas.supernets.supernet import Supernet


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-mini")


def _scattered(space: SearchSpace, num: int) -> tuple[Supernet, Experts]:
    net = Supernet(space)
    experts = net.use_experts(num)
    torch.manual_seed(0)
    with torch.no_grad():
        for p in experts.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return net, experts


def _weights(experts: Experts) -> list[list[Tensor]]:
    """Of each site the flat weights of each expert."""
    return [
        [torch.cat([p.detach().flatten() for p in expert.parameters()]) for expert in copies]  # type: ignore[union-attr]
        for copies in experts.copies.values()
    ]


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_sharing_keeps_the_mean_and_follows_its_formula(space: SearchSpace, share: float) -> None:
    net, experts = _scattered(space, 3)
    before = _weights(experts)
    experts.share(net.layers, share)
    for old, new in zip(before, _weights(experts), strict=True):
        torch.testing.assert_close(sum(new), sum(old))
        for i, moved in enumerate(new):
            others = torch.stack([w for j, w in enumerate(old) if j != i]).mean(dim=0)
            torch.testing.assert_close(moved, (1 - share) * old[i] + share * others)


def test_a_share_of_all_but_one_makes_them_equal(space: SearchSpace) -> None:
    net, experts = _scattered(space, 4)
    experts.share(net.layers, 3 / 4)
    for each in _weights(experts):
        for other in each[1:]:
            torch.testing.assert_close(other, each[0])


def test_the_share_rises_to_its_maximum() -> None:
    shares = [ExpertSettings(num=2, share=0.4).share_at(step, 4) for step in range(4)]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4])


class Counting(Layer):
    """Says how many tokens it was given, and answers with its own number."""

    def __init__(self, number: int) -> None:
        nn.Module.__init__(self)
        self.number = number
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen = len(x)
        return x + self.number


@pytest.mark.parametrize(("shape", "channels"), [((3, 5, 4), 2), ((3, 4, 2, 5), 1)])
@pytest.mark.parametrize("num", [1, 4, 20])
def test_every_token_meets_one_expert_and_numbers_differ_by_one_at_most(
    shape: tuple[int, ...], channels: int, num: int
) -> None:
    torch.manual_seed(0)
    experts = [Counting(10 * i) for i in range(num)]
    x = torch.randn(shape)
    added = Partition(list(experts))(x) - x
    seen = [expert.seen for expert in experts]
    tokens = x.numel() // x.shape[channels]
    assert sum(seen) == tokens
    assert max(seen) - min(seen) <= 1
    number = added.movedim(channels, -1).round()
    assert torch.equal(number, number[..., :1].expand_as(number)), "all channels of a token meet the same"
    assert [int((number[..., 0] == 10 * i).sum()) for i in range(num)] == seen


def test_gradients_of_experts_add_up_to_the_layer_s() -> None:
    spec = load_space("autoformer-mini").lowering.specs_at()["block0_ffn"][-1]
    layer = build(spec)
    experts = Experts(nn.ModuleDict({"a": layer}), 3)
    x = torch.randn(2, *spec.in_shape)
    layer(x).square().sum().backward()
    experts.at("a", spec)(x).square().sum().backward()
    each = [dict(e.named_parameters()) for e in experts.copies["a"]]  # type: ignore[union-attr]
    for name, p in layer.named_parameters():
        total = torch.stack([named[name].grad for named in each]).sum(dim=0)
        torch.testing.assert_close(total, p.grad, rtol=1e-3, atol=1e-3)


def _steps(net: Supernet, optimizer: torch.optim.Optimizer, steps: range) -> None:
    assert net.experts is not None
    settings = ExpertSettings(num=2, share=0.3)
    for step in steps:
        torch.manual_seed(step)
        x, y = torch.randn(8, 1, 8, 8), torch.randint(10, (8,))
        optimizer.zero_grad()
        for arch in (net.space.largest(), net.space.smallest()):
            F.cross_entropy(net(x, arch), y).backward()
        optimizer.step()
        net.experts.share(net.layers, settings.share_at(step, 6))


def _fresh(space: SearchSpace) -> tuple[Supernet, torch.optim.Optimizer]:
    net = Supernet(space, seed=3).train()
    net.use_experts(2)
    return net, torch.optim.AdamW(net.parameters(), lr=1e-3)


def test_training_resumes_to_the_same_bits_and_is_evaluated_at_the_mean(space: SearchSpace) -> None:
    net, optimizer = _fresh(space)
    _steps(net, optimizer, range(3))
    saved, moments = {n: t.clone() for n, t in net.state_dict().items()}, copy.deepcopy(optimizer.state_dict())
    other, other_optimizer = _fresh(space)
    other.load_state_dict(saved)
    other_optimizer.load_state_dict(moments)
    for each, how in ((net, optimizer), (other, other_optimizer)):
        _steps(each, how, range(3, 6))
    for (name, a), (_, b) in zip(net.state_dict().items(), other.state_dict().items(), strict=True):
        assert torch.equal(a, b), name

    assert net.experts is not None
    for site, copies in net.experts.copies.items():
        for shared, *each in zip(net.layers[site].parameters(), *(e.parameters() for e in copies), strict=True):  # type: ignore[union-attr]
            torch.testing.assert_close(shared, torch.stack(each).mean(dim=0))
            assert not torch.equal(each[0], each[1])
    x, arch = torch.randn(4, 1, 8, 8), space.smallest()
    plain = Supernet(space).eval()
    plain.load_state_dict(net.state_dict())
    assert torch.equal(plain(x, arch), net.eval()(x, arch))
    assert torch.equal(net.extract(arch)(x), plain(x, arch))
    assert not any("experts" in name for name in plain.state_dict())


def test_weights_that_lack_something_are_still_refused(space: SearchSpace) -> None:
    state = Supernet(space).state_dict()
    net = Supernet(space)
    net.use_experts(2)
    with pytest.raises(RuntimeError, match=r"Missing key.*experts\.copies"):
        net.load_state_dict(state)
    with pytest.raises(RuntimeError, match="Unexpected key"):
        Supernet(space).load_state_dict({**state, "expert": torch.ones(1)})


def test_a_space_without_such_layers_is_refused() -> None:
    with pytest.raises(SettingsError, match="space 'efficientformerv2' has no layer that answers for each token"):
        check_experts(ExpertSettings(num=2), load_space("efficientformerv2"))
    check_experts(ExpertSettings(num=1), load_space("efficientformerv2"))
    check_experts(ExpertSettings(num=2), load_space("autoformer-mini"))
    for wrong in ({"num": 0}, {"share": 1.0}):
        with pytest.raises(SettingsError, match=r"\[train.experts\]"):
            ExpertSettings(**wrong)  # type: ignore[arg-type]
