"""A supernet of a compressed space learns at the precisions of its archs; what is cut out of it is plain and in float."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from tests.supernets.precision.networks import SPACE, images
from vitnas.search_spaces.compressed import compressed
from vitnas.supernets.precision.quantised import precisions_of, quantised
from vitnas.supernets.precision.ranges import calibrate
from vitnas.supernets.supernet import Supernet

COMPRESSED = compressed(SPACE, ("w8a8", "w3a4", "w4", "p2"), keep=())
PLAIN = SPACE.largest()


def test_float_is_the_plain_supernet_to_the_bit():
    x = images(4)
    arch = COMPRESSED.compress(PLAIN)
    assert torch.equal(Supernet(COMPRESSED, seed=1)(x, arch), Supernet(SPACE, seed=1)(x, PLAIN))


@pytest.mark.parametrize("name", ["w8a8", "w3a4", "w4", "p2"])
def test_it_computes_what_a_quantised_network_does(name):
    x = images(64)
    net = Supernet(COMPRESSED, seed=1).eval()
    arch = COMPRESSED.compress(PLAIN, name)
    plain = net.extract(arch).eval()
    with torch.no_grad():
        found = net(x, arch)
        expected = quantised(plain, precisions_of(COMPRESSED.lower(arch)), calibrate(plain, [x]))(x)
        off, as_much = (float((each - plain(x)).square().mean()) for each in (found, expected))
    if name in ("w4", "p2"):  # of weights alone
        assert torch.allclose(found, expected, atol=1e-5)
    assert 0 < off < 1.5 * as_much
    assert as_much < 1.5 * off


@pytest.mark.parametrize("name", ["w3a4", "w4"])
def test_it_learns_what_it_is_rounded_to(name):
    x, y = images(48), torch.arange(48) % 10
    net = Supernet(COMPRESSED, seed=1)
    arch = COMPRESSED.compress(PLAIN, name)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = []
    for _ in range(20):
        loss = F.cross_entropy(net(x, arch), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert min(losses[-3:]) < 0.8 * losses[0]


def test_weights_are_those_of_the_base():
    assert Supernet(COMPRESSED).state_dict().keys() == Supernet(SPACE).state_dict().keys()
