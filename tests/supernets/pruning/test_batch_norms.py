"""Networks with batch norms are looked at as they are evaluated: a supernet has no statistics of its own."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from vitnas.search_spaces import load_space
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.pretrained import shared_layers, write_weights

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def large() -> Dataset:
    """Few images, of a size that a hybrid can look at."""
    found = load_dataset(DataSettings("digits", image_size=64))
    return replace(found, train=found.train.sample(128))


@pytest.fixture(scope="module")
def stale(large) -> Supernet:
    """Drawn weights of a hybrid; its statistics are those of no image."""
    space = load_space("efficientformerv2", large.task)
    return Supernet(space.alone(space.smallest()), seed=1).eval()


@pytest.fixture(scope="module")
def measured(stale, large) -> Supernet:
    """The same weights with the statistics of the arch in the supernet itself."""
    net, arch = deepcopy(stale), stale.space.largest()
    network = cut_out(stale, arch, large.train)
    given = {site: layer.state_dict() for site, layer in network.named_children()}
    write_weights(shared_layers(net, arch), net.space.lower(arch), given)
    assert any((m.running_mean != 0).any() for m in net.modules() if isinstance(m, _BatchNorm))
    return net


@pytest.mark.parametrize("name", [name for name in IMPORTANCES if name != "dimap"])  # which looks at no image
def test_importances_do_not_read_the_statistics_of_a_supernet(name, stale, measured, large):
    one, other = (IMPORTANCES.load(name)(num_images=32).channels(net, large.train) for net in (stale, measured))
    for place, score in one.attributes.items():
        assert torch.equal(score, other.attributes[place]), place


@pytest.mark.parametrize("name", ["weight_gradient", "self_distillation"])
def test_kinds_that_the_largest_arch_lacks_have_statistics_too(name, large):
    space = load_space("efficientformerv2", large.task)
    space = space.restrict(**{gene.name: gene.choices[-1:] for gene in space.all_genes if gene.name != "attention"})
    net = Supernet(space, seed=1).eval()
    table = IMPORTANCES.load(name)(num_images=8).table(net, large.train)
    for gene in space.all_genes:
        if gene.name == "attention":
            kept = [
                float(table(space.encode([space.arch(**{**dict(space.largest().genes), "attention": n})]))[0])
                for n in gene.choices
            ]
            assert all(0 < one < 1.5 for one in kept), kept


def test_moments_are_those_of_the_network_that_is_evaluated(stale, measured, large):
    one, other = (measure_moments(net, large.train, num_images=32) for net in (stale, measured))
    assert one.powers.keys() == other.powers.keys()
    for key, power in one.powers.items():
        assert torch.equal(power, other.powers[key]), key
    network = stale.uncompensated(stale.space.largest()).eval()
    recalibrate(network, large.train)
    x = large.train.sample(32, 0).all()[0]
    with torch.no_grad():
        assert 0.1 < float(network[:-1](x).std()) < 10
