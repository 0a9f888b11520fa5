"""Weight x gradient as the importance of whole archs, held against plain networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vitnas.errors import DataError
from vitnas.nas.problem import Problem
from vitnas.nas.searchers.slimming import Slimming
from vitnas.search_spaces import load_space
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.of_weights import kept_sums
from vitnas.supernets.supernet import Supernet


def gradient(num_images):
    return IMPORTANCES.load("weight_gradient")(num_images=num_images)


@pytest.fixture(scope="module")
def dataset():
    return load_dataset(DataSettings("digits"))


@pytest.fixture(scope="module")
def supernet(dataset):
    return Supernet(load_space("autoformer-mini", dataset.task), seed=3)


@pytest.fixture(scope="module")
def importance(supernet, dataset):
    return gradient(64).table(supernet, dataset.val)


def test_all_weights_count_as_the_plain_network_says(supernet, dataset):
    """Two archs: the share of the smaller in the largest's sum, by hand from the gradients of the plain network."""
    space = supernet.space
    largest = space.largest()
    half = space.arch(width=80, depth=6, mlp_ratio=(4.0, 4.0, 2.0, 4.0, 4.0, 4.0), heads=(4,) * 6)
    images = dataset.val.only(np.arange(50))
    importance = SiteValues(space, kept_sums(gradient(50).weights(supernet, images, largest)))
    network = supernet.extract(largest).eval()
    x, y = images.sample(50).all()
    F.cross_entropy(network(x), y).backward()
    score = {name: (p.detach() * p.grad) ** 2 for name, p in network.named_parameters()}
    total = sum(float(s.double().sum()) for s in score.values())
    hidden = {n: s for n, s in score.items() if s.shape[:1] == (320,) or (s.ndim == 2 and s.shape[1] == 320)}
    third = sorted({name.split(".")[0] for name in hidden})[2]
    lost = sum(
        float((s[160:] if s.shape[0] == 320 else s[:, 160:]).double().sum())
        for name, s in hidden.items()
        if name.startswith(f"{third}.")
    )
    whole, less = importance(space.encode([largest, half]))
    assert whole == pytest.approx(1.0)
    assert lost > 0
    assert less == pytest.approx(1 - lost / total, rel=1e-5)


def test_more_of_a_gene_is_never_less_important(supernet, importance):
    space = supernet.space
    codes = space.genome.sample(50, np.random.default_rng(0))
    sizes = np.array([len(column.choices) for column in space.columns])
    more = codes.copy()
    heads = [i for i, column in enumerate(space.columns) if column.gene in ("heads", "mlp_ratio")]
    grown = np.where(codes[:, heads] >= 0, np.minimum(codes[:, heads] + 1, sizes[heads] - 1), codes[:, heads])
    more[:, heads] = grown
    assert (importance(more) >= importance(codes) - 1e-12).all()
    assert (importance(more) > importance(codes)).any()
    assert (importance(codes) > 0).all()
    assert importance(space.encode([space.largest()]))[0] == pytest.approx(1.0)


@pytest.mark.heavy
def test_units_that_do_nothing_do_not_matter(dataset):
    net = Supernet(load_space("autoformer-mini", dataset.task), seed=1)
    space = net.space
    narrow, wide = (space.arch(width=64, depth=3, mlp_ratio=(3.0, ratio, 3.0), heads=(3, 3, 3)) for ratio in (2.0, 4.0))
    alive = gradient(64).table(net, dataset.val)(space.encode([narrow, wide]))
    assert alive[0] < alive[1]
    site = [name for name in net.layers if "mlp" in name or "ffn" in name][1]
    with torch.no_grad():
        for p in net.layers[site].parameters():
            if p.ndim == 2 and p.shape[1] == 320:
                p[:, 128:] = 0  # hidden units from the 128th on reach nothing
    dead = gradient(64).table(net, dataset.val)(space.encode([narrow, wide]))
    assert dead[0] == pytest.approx(dead[1], rel=1e-6)


def test_the_supernet_is_left_as_it_was_and_seeds_decide(supernet, dataset):
    before = {name: value.clone() for name, value in supernet.state_dict().items()}
    codes = supernet.space.genome.sample(5, np.random.default_rng(1))
    first, again = (gradient(32).table(supernet, dataset.val)(codes) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert all((before[name] == value).all() for name, value in supernet.state_dict().items())
    assert all(p.grad is None for p in supernet.parameters())


def test_slimming_reaches_a_limit(supernet, importance):
    space = supernet.space

    def cost(codes):
        return np.asarray(space.lowering.total([float(np.prod(s.in_shape)) for s in space.lowering.specs])(codes))

    most = 0.6 * float(cost(space.encode([space.largest()]))[0])
    problem = Problem(space, (), {"macs": cost}, {"macs": most}, importance=importance)
    found = Slimming(problem, 0).ask(1)
    assert 0.85 * most < cost(found)[0] <= most


def test_no_images(supernet, dataset):
    with pytest.raises(DataError, match="at least one"):
        gradient(64).table(supernet, dataset.val.only(np.arange(0)))
