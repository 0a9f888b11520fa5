"""What every registered importance must do, and what each of them means."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vitnas.errors import DataError, SearchError
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.pruned.given import GivenArch
from vitnas.search_spaces.pruned.given_vit import GivenViT
from vitnas.search_spaces.pruned.pruned_space import pruned
from vitnas.supernets.compensation import error_of, rows_of
from vitnas.supernets.data import Pixels
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.order import orderable, streams
from vitnas.supernets.supernet import Supernet

pytestmark = pytest.mark.heavy  # a network is trained

FFN = ("block1_ffn-feed_forward", "hidden")
HEADS = ("block1_attention-attention", "heads")


def made(name, **more):
    return IMPORTANCES.load(name)(num_images=64, **more)


@pytest.fixture(params=list(IMPORTANCES))
def name(request):
    return request.param


def test_every_channel_has_a_finite_score_and_the_supernet_is_left_as_it_was(name, trained, digits):
    before = {key: value.clone() for key, value in trained.state_dict().items()}
    scores = made(name).channels(trained, digits.train)
    for place, _, channels in orderable(trained, trained.space.largest()):
        if not channels.refused:
            assert scores.attributes[place].shape == (channels.size,)
            assert torch.isfinite(scores.attributes[place]).all()
            assert (scores.attributes[place] >= 0).all()
            assert scores.attributes[place].max() > 0
    assert [s.shape for s in scores.streams] == [(stream.size,) for stream in streams(trained, trained.space.largest())]
    again = made(name).channels(trained, digits.train)
    assert torch.equal(scores.attributes[FFN], again.attributes[FFN])
    assert all((before[key] == value).all() for key, value in trained.state_dict().items())
    assert all(p.grad is None for p in trained.parameters())


def test_a_channel_that_does_nothing_is_the_least(name, trained, digits):
    net = deepcopy(trained)
    layer = net.layers[FFN[0]]
    with torch.no_grad():
        layer.expand.weight[17], layer.expand.bias[17], layer.reduce.weight[:, 17] = 0, 0, 0
    score = made(name).channels(net, digits.train).attributes[FFN]
    assert score.argmin() == 17


def test_of_equal_archs_that_keep_more_more_is_kept(name, trained, digits):
    space = trained.space
    table = made(name).table(trained, digits.train)
    codes = space.genome.sample(40, np.random.default_rng(0))
    sizes = np.array([len(c.choices) for c in space.columns])
    wider = np.array([c.gene in ("heads", "mlp_ratio") for c in space.columns])
    more = np.where(wider & (codes >= 0), np.minimum(codes + 1, sizes - 1), codes).astype(np.int16)
    assert (table(more) >= table(codes) - 1e-9).all()
    assert (table(more) > table(codes)).any()
    assert table(space.encode([space.largest()]))[0] >= table(codes).max()


# -- whole archs of given networks ------------------------------------------------------------


@pytest.fixture(scope="module")
def plain(digits):
    """A plain transformer, whose attentions have widths of their own for queries with keys."""
    given = GivenViT("small", digits.task, patch=2, width=32, depth=2, heads=2, hidden=64)
    return Supernet(pruned(given), seed=0).eval()


@pytest.fixture(scope="module")
def hybrid():
    """Maps that pooling mixes, in layers without channels of their own, and images for them."""
    task = Task(64, 3, 1)
    space = load_space("efficientformer", task)
    x = np.random.default_rng(0).integers(0, 256, (16, 1, 64, 64), dtype=np.uint8)
    net = Supernet(pruned(GivenArch("hybrid", space, space.smallest())), seed=0).eval()
    with torch.no_grad():
        for name, weight in net.named_parameters():
            if name.endswith("scale"):
                weight.fill_(0.3)  # not as good as nothing, as they begin
    return net, Pixels.of(x, np.arange(16) % 3, (0.5,), (0.25,))


def worths(table):
    """What the largest layer of every site counts against none, 1 for all."""
    return dict(zip([site.name for site in table.space.lowering.sites], np.ptp(table.table, axis=1), strict=True))


@pytest.mark.parametrize("network", ["plain", "hybrid"])
def test_no_layer_of_a_given_network_that_can_be_left_out_counts_nothing(name, network, plain, hybrid, digits):
    net, images = (plain, digits.train) if network == "plain" else hybrid
    space = net.space
    optional = set(space.lower(space.largest()).sites) - set(space.lower(space.smallest()).sites)
    kinds = {spec.kind for site, spec in space.whole.items() if site in optional}
    assert kinds >= ({"slim_attention"} if network == "plain" else {"pool_mixing"})
    table = IMPORTANCES.load(name)(num_images=16).table(net, images)
    found = worths(table)
    assert min(found[site] for site in optional) > 1e-9
    largest, smallest = table(space.encode([space.largest(), space.smallest()]))
    assert largest > smallest


@torch.no_grad()
def test_activation_compares_layers_by_what_products_read_alone(plain, digits):
    """Queries times eight and keys over eight are the same network."""
    before = worths(made("activation").table(plain, digits.train))
    scaled = deepcopy(plain)
    for key, layer in scaled.layers.items():
        if key.endswith("slim_attention"):
            for weight in (layer.query_key, layer.query_key_bias):
                weight[0] *= 8
                weight[1] /= 8
    after = worths(made("activation").table(scaled, digits.train))
    assert after == pytest.approx(before, rel=1e-3)


@pytest.mark.parametrize("name", ["activation", "taylor"])
def test_layers_that_the_largest_arch_lacks_are_refused(name):
    space = load_space("mixers", Task(64, 10, 3))
    with pytest.raises(
        SearchError, match="looks at the largest arch of space 'mixers' alone, which has .* choose weight"
    ):
        IMPORTANCES.load(name).check(space)
    for other in set(IMPORTANCES) - {"activation", "taylor"}:
        IMPORTANCES.load(other).check(space)


@pytest.mark.parametrize("name", ["activation", "output_error", "self_distillation"])
def test_labels_are_not_looked_at(name, trained, digits):
    swapped = replace(digits.train, labels=np.roll(digits.train.labels, 1))
    rows = np.arange(64)
    one, two = (made(name).channels(trained, images.only(rows)) for images in (digits.train, swapped))
    torch.testing.assert_close(one.attributes[FFN], two.attributes[FFN])


def test_dimap_needs_no_images_and_others_do(trained, digits):
    none = digits.train.only(np.arange(0))
    assert made("dimap").channels(trained, none).attributes
    for name in set(IMPORTANCES) - {"dimap"}:
        with pytest.raises(DataError, match="at least one"):
            made(name).channels(trained, none)


def test_weight_gradient_by_hand(trained, digits):
    images = digits.train.sample(64, 0)
    network = trained.uncompensated(trained.space.largest())
    x, y = images.all()
    F.cross_entropy(network(x), y).backward()
    block = dict(network.named_children())["block1_ffn"]
    expected = (
        (block.expand.weight * block.expand.weight.grad).square().sum(1)
        + (block.expand.bias * block.expand.bias.grad).square()
        + (block.reduce.weight * block.reduce.weight.grad).square().sum(0)
    )
    found = made("weight_gradient").channels(trained, digits.train).attributes[FFN]
    torch.testing.assert_close(found.float(), expected.detach(), rtol=1e-3, atol=1e-12)
    once = made("taylor").channels(trained, digits.train).attributes[FFN]
    signed = (
        (block.expand.weight * block.expand.weight.grad).sum(1)
        + block.expand.bias * block.expand.bias.grad
        + (block.reduce.weight * block.reduce.weight.grad).sum(0)
    ).square()
    torch.testing.assert_close(once.float(), signed.detach(), rtol=1e-2, atol=1e-10)


def test_dimap_by_its_definition(trained, digits):
    layer = trained.layers[FFN[0]]
    weights = torch.cat([layer.expand.weight.flatten(), layer.reduce.weight.flatten()]).detach().double().square()
    found = made("dimap").channels(trained, digits.train).attributes[FFN]
    unit = 40
    own = torch.cat([layer.expand.weight[unit], layer.reduce.weight[:, unit]]).detach().double().square()
    expected = sum(float(w / weights[weights >= w].sum()) for w in own)
    assert float(found[unit]) == pytest.approx(expected, rel=1e-4)


@torch.no_grad()
def test_activation_energy_and_output_error_by_their_definitions(trained, digits):
    """Heads: four columns each that are taken away together."""
    seen = measure_moments(trained, digits.train, num_images=64)
    (product,) = seen.products[HEADS[0]]
    weights = rows_of(product, trained.layers[HEADS[0]].proj_weight, (*product.answers, *product.inputs))
    scaled = weights * product.gain.double().sqrt()[:, None]
    energy = made("activation").channels(trained, digits.train).attributes[HEADS]
    each = product.covariance.double().diagonal() * scaled.square().sum(0)
    torch.testing.assert_close(energy, each.view(4, -1).sum(1))
    errors = made("output_error").channels(trained, digits.train).attributes[HEADS]
    for head in range(4):
        kept = torch.ones(4, product.inputs[1], dtype=torch.bool)
        kept[head] = False
        assert float(errors[head]) == pytest.approx(float(error_of(product, scaled, kept.flatten()).sum()), rel=0.1)
        assert float(errors[head]) < float(energy[head])
