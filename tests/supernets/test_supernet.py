"""The supernet at an arch is the plain network cut from it, whatever else happens around it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from vitnas.errors import InvalidArchError
from vitnas.search_spaces import Arch, SearchSpace, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.supernet import Supernet, build_network


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return load_space("autoformer-mini")


@pytest.fixture
def net(space: SearchSpace) -> Supernet:
    net = Supernet(space, seed=0).eval()
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        for parameter in net.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return net


def _images(space: SearchSpace, n: int = 4) -> Tensor:
    size, channels = space.task.image_size, space.task.in_channels
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(0))


def _archs(space: SearchSpace, n: int = 6) -> list[Arch]:
    return [space.smallest(), *space.sample(n, np.random.default_rng(0)), space.largest()]


def test_extract_equals_the_supernet_at_that_arch(space: SearchSpace, net: Supernet) -> None:
    x = _images(space)
    for arch in _archs(space):
        plain = net.extract(arch)
        assert not any(isinstance(module, Supernet) for module in plain.modules())
        torch.testing.assert_close(plain(x), net(x, arch), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(net.at(arch)(x), net(x, arch), rtol=1e-5, atol=1e-5)
        assert sum(p.numel() for p in plain.parameters()) == count(space.lower(arch)).num_params


def test_an_extracted_network_has_the_form_of_a_fresh_one(space: SearchSpace, net: Supernet) -> None:
    for arch in _archs(space, 2):
        plain, fresh = net.extract(arch), build_network(space.lower(arch))
        assert {n: t.shape for n, t in plain.state_dict().items()} == {
            n: t.shape for n, t in fresh.state_dict().items()
        }
        fresh.load_state_dict(plain.state_dict())
        x = _images(space)
        assert torch.equal(fresh.eval()(x), plain(x))
        assert [name for name, _ in plain.named_children()] == list(space.lower(arch).sites)


def test_the_weights_are_those_of_the_largest_arch(space: SearchSpace, net: Supernet) -> None:
    largest = count(space.lower(space.largest()))
    assert sum(p.numel() for p in net.parameters()) == largest.num_params


def test_the_raw_weights_of_autoformer_tiny_are_those_of_its_largest_arch() -> None:
    space = load_space("autoformer-tiny")
    with torch.device("meta"):
        net = Supernet(space)
    assert sum(p.numel() for p in net.parameters()) == 10_517_272


def test_two_archs_run_side_by_side(space: SearchSpace, net: Supernet) -> None:
    x = _images(space)
    archs = _archs(space)
    with torch.no_grad():
        alone = [net(x, arch) for arch in archs]
        found: list[Tensor | None] = [None] * len(archs)

        def run(i: int) -> None:
            with torch.no_grad():
                found[i] = net(x, archs[i])

        threads = [threading.Thread(target=run, args=(i,)) for i in range(len(archs))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for y, expected in zip(found, alone, strict=True):
        assert y is not None
        assert torch.equal(y, expected)


def test_gradients_of_an_arch_are_those_of_its_plain_network(space: SearchSpace, net: Supernet) -> None:
    x, y = _images(space), torch.tensor([0, 1, 2, 3])
    for arch in _archs(space, 2):
        plain = net.extract(arch)
        net.zero_grad()
        for logits in (net(x, arch), plain(x)):
            nn.functional.cross_entropy(logits, y).backward()
        total = sum(float(p.grad.square().sum()) for p in net.parameters() if p.grad is not None)
        expected = sum(float(p.grad.square().sum()) for p in plain.parameters() if p.grad is not None)
        assert total == pytest.approx(expected, rel=1e-4)
        used = {f"{site}-{spec.kind}" for site, spec in space.lower(arch).items()}
        for name, layer in net.layers.items():
            if name not in used:
                assert all(p.grad is None for p in layer.parameters())


def test_gradients_of_several_archs_add_up(space: SearchSpace, net: Supernet) -> None:
    x = _images(space)
    archs = [space.smallest(), space.largest()]
    net.zero_grad()
    torch.stack([net(x, arch).square().sum() for arch in archs]).sum().backward()
    together = {n: p.grad.clone() for n, p in net.named_parameters() if p.grad is not None}
    net.zero_grad()
    for arch in archs:
        net(x, arch).square().sum().backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter.grad, together[name], rtol=1e-4, atol=1e-4)


def test_the_seed_decides_the_weights_and_nothing_else_moves(space: SearchSpace) -> None:
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    one, same, other = Supernet(space, 3), Supernet(space, 3), Supernet(space, 4)
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [torch.cat([p.flatten() for p in net.parameters()]) for net in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_training_an_extracted_network_leaves_the_supernet(space: SearchSpace, net: Supernet) -> None:
    x, arch = _images(space), space.largest()
    before = net(x, arch).detach()
    plain = net.extract(arch)
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(1)
    assert torch.equal(net(x, arch), before)


def test_a_restricted_space_runs_on_the_same_weights(space: SearchSpace, net: Supernet) -> None:
    part = space.restrict(depth=(3, 4))
    x = _images(space)
    for arch in part.sample(3, np.random.default_rng(0)):
        assert net(x, arch).shape == (4, 10)


def test_an_arch_of_another_space_is_refused(net: Supernet) -> None:
    with pytest.raises(InvalidArchError, match="belongs to space 'deit', not to 'autoformer-mini'"):
        net(torch.zeros(1, 1, 8, 8), load_space("deit").smallest())
