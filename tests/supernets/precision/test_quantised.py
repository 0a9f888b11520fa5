"""Quantised networks: float stays float to the bit, the rest is rounded, and more bits are nearer."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from tests.supernets.precision.networks import EACH_KIND, SPACE, alone, arch, images, network
from vitnas.errors import DataError, SpaceError
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.precision.operands import calls_of
from vitnas.supernets.precision.quantised import QuantisedLayer, precisions_of, quantised
from vitnas.supernets.precision.ranges import Ranges, calibrate


@pytest.fixture(scope="module")
def net():
    return network()


@pytest.fixture(scope="module")
def ranges(net) -> Ranges:
    return calibrate(net, [images()])


def sites(net) -> list[str]:
    return [site for site, _ in net.named_children()]


@torch.no_grad()
def test_float_is_untouched_to_the_bit(net):
    found = quantised(net, dict.fromkeys(sites(net), FLOAT))
    assert list(found.children()) == list(net.children())
    assert torch.equal(found(images()), net(images()))


@torch.no_grad()
def test_layers_before_the_first_rounded_one_answer_as_before(net, ranges):
    *_, last = sites(net)
    found = quantised(net, {last: Precision.of("w4a4")}, ranges)
    assert torch.equal(found[:-1](images()), net[:-1](images()))
    assert not torch.equal(found(images()), net(images()))
    assert isinstance(found[-1], QuantisedLayer)
    assert found[-1].layer is net[-1]


@torch.no_grad()
@pytest.mark.parametrize("names", [("w2a2", "w4a4", "w6a6", "w8a8"), ("w2", "w4", "w8"), ("p2", "p4", "p6")])
def test_more_bits_are_nearer(net, ranges, names):
    x = images(seed=3)
    errors = [
        float((quantised(net, dict.fromkeys(sites(net), Precision.of(n)), ranges)(x) - net(x)).square().mean())
        for n in names
    ]
    assert all(a > 3 * b > 0 for a, b in pairwise(errors))


@torch.no_grad()
def test_the_network_is_left_as_it_was(net, ranges):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    expected = net(images())
    quantised(net, dict.fromkeys(sites(net), Precision.of("w4a4")), ranges)(images())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert torch.equal(net(images()), expected)


def test_precisions_are_those_of_the_blueprint():
    blueprint = SPACE.lower(arch())
    site = blueprint.sites[1]
    layers = tuple(spec.at("w7a8") if s == site else spec for s, spec in blueprint.items())
    assert precisions_of(type(blueprint)(blueprint.sites, layers)) == {site: Precision.of("w7a8")}


def test_what_cannot_be_rounded_is_refused(net, ranges):
    first = sites(net)[0]
    with pytest.raises(SpaceError, match="no layer stands at site 'nowhere'"):
        quantised(net, {"nowhere": Precision.of("w8a8")}, ranges)
    with pytest.raises(SpaceError, match="needs ranges; calibrate first"):
        quantised(net, {first: Precision.of("w8a8")})
    with pytest.raises(DataError, match=f"no range was measured for product 0 of site '{first}'"):
        quantised(net, {first: Precision.of("w8a8")}, Ranges({}, 1))
    with pytest.raises(SpaceError, match="does not say what it takes"):
        quantised(torch.nn.Sequential(torch.nn.Linear(2, 2)), {"0": Precision.of("w8")})


@torch.no_grad()
@pytest.mark.parametrize("kind", EACH_KIND)
def test_every_kind_is_near_itself_in_eight_bits(kind):
    net, x = alone(kind)
    found = quantised(net, {"layer": Precision.of("w8a8")}, calibrate(net, [x]))
    expected, answer = net(x), found(x)
    num = len(calls_of(net)["layer"].calls)
    assert len(found.get_submodule("layer").products) == num
    assert torch.equal(answer, expected) == (num == 0)
    assert float((answer - expected).square().mean()) <= 0.01 * float(expected.var())
