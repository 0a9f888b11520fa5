"""Maps that stand in for layers which are left out: what they are fitted to, what they cost, what they save."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from vitnas.errors import DataError
from vitnas.search_spaces import Arch, Pruned
from vitnas.search_spaces.pruned.given import GivenArch
from vitnas.search_spaces.pruned.pruned_space import pruned
from vitnas.supernets.data import Dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.pruning.costs import error_table
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.residual_maps import fit_residual_maps, maps_of
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.pretrained import shared_layers, write_weights

RESIDUAL = {f"block{i}_{part}" for i in range(3) for part in ("attention", "ffn")}


@pytest.fixture(scope="module")
def unfitted(trained: Supernet) -> Supernet:
    """The trained network in the supernet of what becomes of it."""
    arch = trained.space.largest()
    space = pruned(GivenArch("digits", trained.space, arch), "prune+map")
    net = Supernet(space, seed=0).eval()
    given = {site: layer.state_dict() for site, layer in trained.extract(arch).named_children()}
    write_weights(shared_layers(net, space.largest()), space.lower(space.largest()), given)
    return net


@pytest.fixture(scope="module")
def fitted(unfitted: Supernet, digits: Dataset) -> Supernet:
    net = deepcopy(unfitted)
    assert fit_residual_maps(net, net.space.largest(), digits.train) == len(RESIDUAL)
    return net


def without(space: Pruned, site: str, with_map: bool) -> Arch:
    genes = {n: v for n, v in space.largest().genes if not n.startswith(f"{site}.")}
    first = f"{site}.{'heads' if site.endswith('attention') else 'hidden'}"
    return space.arch(**genes, **{first: 0, f"{site}.map": with_map})


def test_only_a_layer_that_is_left_out_has_a_map(unfitted: Supernet) -> None:
    space = unfitted.space
    assert isinstance(space, Pruned)
    assert set(maps_of(unfitted)) == RESIDUAL
    assert not any(spec.kind == "residual_map" for spec in space.lower(space.largest()))
    for site in sorted(RESIDUAL):
        plain, mapped = (space.lower(without(space, site, with_map)) for with_map in (False, True))
        assert site not in plain.sites
        assert site not in mapped.sites
        assert set(mapped.sites) - set(plain.sites) == {f"{site}_map"}


@torch.no_grad()
def test_a_map_that_was_not_fitted_is_the_layer_left_out(unfitted: Supernet, digits: Dataset) -> None:
    x = digits.val.sample(16).all()[0]
    space = unfitted.space
    for site in sorted(RESIDUAL):
        plain, mapped = (unfitted(x, without(space, site, with_map)) for with_map in (False, True))  # type: ignore[arg-type]
        assert torch.equal(plain, mapped)


def test_the_given_network_stays_what_it_is(trained: Supernet, fitted: Supernet, digits: Dataset) -> None:
    x = digits.val.sample(16).all()[0]
    with torch.no_grad():
        expected = trained(x, trained.space.largest())
        torch.testing.assert_close(fitted(x, fitted.space.largest()), expected, rtol=1e-5, atol=1e-5)


def test_maps_lose_less_than_nothing_in_their_place(fitted: Supernet, digits: Dataset) -> None:
    space = fitted.space
    assert isinstance(space, Pruned)
    whole = evaluate(fitted.extract(space.largest()), digits.val).loss
    plain, mapped = (
        np.array([
            evaluate(fitted.extract(without(space, site, with_map)), digits.val).loss for site in sorted(RESIDUAL)
        ])
        for with_map in (False, True)
    )  # fmt: skip
    assert (mapped - whole).mean() < 0.7 * (plain - whole).mean()
    assert mapped.max() < plain.max()


def test_a_layer_that_adds_the_same_everywhere_is_replaced_exactly(unfitted: Supernet, digits: Dataset) -> None:
    net = deepcopy(unfitted)
    space = net.space
    assert isinstance(space, Pruned)
    layer = net.layers["block1_ffn-feed_forward"]
    with torch.no_grad():
        for name, weight in layer.named_parameters():
            if name == "norm.weight":
                weight.zero_()  # so that the layer sees nothing but the shift
    fit_residual_maps(net, space.largest(), digits.train)
    x = digits.val.sample(32).all()[0]
    with torch.no_grad():
        expected = net(x, space.largest())
        torch.testing.assert_close(net(x, without(space, "block1_ffn", True)), expected, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(net(x, without(space, "block1_ffn", False)), expected, rtol=1e-2, atol=1e-2)


def test_what_a_map_leaves_is_less_than_what_its_layer_carried(fitted: Supernet, digits: Dataset) -> None:
    seen = measure_moments(fitted, digits.train, num_images=256)
    assert {key.partition("-")[0] for key in seen.left} == RESIDUAL
    assert all(float(left.sum()) < float(seen.powers[key].sum()) for key, left in seen.left.items())
    space = fitted.space
    assert isinstance(space, Pruned)
    costs = error_table(fitted, seen)
    for site in sorted(RESIDUAL):
        [key] = [key for key in seen.left if key.partition("-")[0] == site]
        plain, mapped = costs(space.encode([without(space, site, with_map) for with_map in (False, True)]))
        assert plain == pytest.approx(float(seen.powers[key].sum()))
        assert mapped == pytest.approx(float(seen.left[key].sum()))


def test_a_supernet_without_maps_is_left_alone(trained: Supernet, digits: Dataset) -> None:
    before = {name: tensor.clone() for name, tensor in trained.state_dict().items()}
    assert fit_residual_maps(trained, trained.space.largest(), digits.train) == 0
    assert all(torch.equal(before[name], tensor) for name, tensor in trained.state_dict().items())


def test_no_images_no_maps(unfitted: Supernet, digits: Dataset) -> None:
    with pytest.raises(DataError, match="maps in place of layers are fitted"):
        fit_residual_maps(deepcopy(unfitted), unfitted.space.largest(), digits.train.only(np.array([], dtype=np.int64)))
