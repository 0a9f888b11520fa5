from __future__ import annotations

from collections import OrderedDict
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import CheckpointError, DataError
from vitnas.run import RunFolder
from vitnas.search_spaces import LayerSpec
from vitnas.supernets.compensation import ProductMoments, error_of, fit, kept_inputs
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.layers import build
from vitnas.supernets.pruning.costs import error_table, lost_unread, prefix_errors
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.order import sort_channels
from vitnas.supernets.weights.compensated import load_compensation, save_compensation

pytestmark = pytest.mark.heavy  # a network is trained

FFN = "block1_ffn-feed_forward"


@pytest.fixture(scope="module")
def moments(trained, digits):
    return measure_moments(trained, digits.train, num_images=256)


def product_of(x: torch.Tensor, out: int = 3) -> ProductMoments:
    """The moments of rows of inputs, by their definitions."""
    mean = x.mean(0)
    covariance = (x - mean).T @ (x - mean) / len(x)
    return ProductMoments("weight", "bias", (out,), (x.shape[1],), mean, covariance, torch.ones(out))


def arch_of(space, ratio=4.0, heads=4):
    return space.arch(width=64, depth=3, mlp_ratio=(ratio,) * 3, heads=(heads,) * 3)


sizes = st.tuples(st.integers(2, 6), st.integers(1, 5), st.integers(0, 10_000))


def drawn(size):
    kept, lost, seed = size
    draw = torch.Generator().manual_seed(seed)
    mixed = torch.randn(kept + lost, kept + lost, generator=draw, dtype=torch.float64)
    x = torch.randn(200, kept + lost, generator=draw, dtype=torch.float64) @ mixed + mixed[0]
    weights = torch.randn(3, kept + lost, generator=draw, dtype=torch.float64)
    mask = torch.zeros(kept + lost, dtype=torch.bool)
    mask[torch.randperm(kept + lost, generator=draw)[:kept]] = True
    return x, weights, mask


@given(sizes)
def test_the_error_is_the_mean_square_over_the_images_that_were_seen(size):
    x, weights, kept = drawn(size)
    product = product_of(x)
    change, shift = fit(product, weights, kept)
    answers = x[:, kept] @ (weights[:, kept] + change).T + shift
    brute = (answers - x @ weights.T).square().mean(0)
    torch.testing.assert_close(error_of(product, weights, kept), brute, rtol=1e-5, atol=1e-8)


@given(sizes)
def test_no_other_weights_leave_a_smaller_error(size):
    """Of the ridge regression that it is; the bias is the best one in any case."""
    x, weights, kept = drawn(size)
    product = product_of(x)
    change, shift = fit(product, weights, kept)
    lost = x[:, ~kept] @ weights[:, ~kept].T

    def objective(change, shift):
        return float(
            (x[:, kept] @ change.T + shift - lost).square().mean(0).sum() + product.ridge * change.square().sum()
        )

    best = objective(change, shift)
    draw = torch.Generator().manual_seed(size[2])
    for scale in (1e-3, 1e-1):
        off = scale * torch.randn(change.shape, generator=draw, dtype=change.dtype)
        assert objective(change + off, shift) >= best
        assert objective(change, shift + scale * torch.randn(3, generator=draw, dtype=change.dtype)) >= best


@given(sizes)
def test_one_factorisation_knows_the_errors_of_all_prefixes(size):
    x, weights, _ = drawn(size)
    product = product_of(x)
    tails = prefix_errors(product, weights)
    n = x.shape[1]
    assert float(tails[n]) == 0
    for k in range(1, n):
        kept = torch.arange(n) < k
        change, _ = fit(product, weights, kept)
        ridge = product.ridge * (weights[:, ~kept].square().sum() + change.square().sum())
        assert float(tails[k]) == pytest.approx(float(error_of(product, weights, kept).sum() + ridge), rel=1e-6)


def test_heads_are_groups_of_columns():
    product = ProductMoments("w", "b", (5,), (3, 2), torch.zeros(6), torch.eye(6), torch.ones(5))
    assert kept_inputs(product, (5, 2, 2)).tolist() == [True] * 4 + [False] * 2
    assert kept_inputs(product, (5, 3, 1)).tolist() == [True, False] * 3


@torch.no_grad()
def test_channels_that_follow_from_those_that_stay_are_made_up_for_exactly(trained, digits):
    """Every hidden unit of the second half is a copy of one of the first, and the upper heads of the lower ones."""
    net = deepcopy(trained)
    for key, layer in net.layers.items():
        if key.endswith("-feed_forward"):
            layer.expand.weight[128:], layer.expand.bias[128:] = layer.expand.weight[:128], layer.expand.bias[:128]
        if key.endswith("-attention"):
            layer.qkv_weight[:, 2:], layer.qkv_bias[:, 2:] = layer.qkv_weight[:, :2], layer.qkv_bias[:, :2]
    x = digits.val.sample(64).all()[0]
    whole, small = net.space.largest(), arch_of(net.space, 2.0, 2)
    expected, plain = net(x, whole), net(x, small)
    seen = measure_moments(net, digits.train, num_images=256)
    net.compensation = seen
    assert float((plain - expected).abs().max()) > 0.1
    monkeyed = {k: tuple(_sharp(p) for p in each) for k, each in seen.products.items()}
    net.compensation = type(seen)(monkeyed, seen.powers, seen.num_images)
    torch.testing.assert_close(net(x, small), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


class _Sharp(ProductMoments):
    """With hardly any ridge, which is there for noise."""

    @property
    def ridge(self) -> float:
        return 1e-9 * float(self.covariance.diagonal().mean())


def _sharp(p: ProductMoments) -> ProductMoments:
    return _Sharp(p.weight, p.bias, p.answers, p.inputs, p.mean, p.covariance, p.gain)


@torch.no_grad()
def test_what_is_seen_are_the_moments_of_the_inputs(trained, digits, moments):
    x = digits.train.sample(256, 0).all()[0]
    network = trained.uncompensated(trained.space.largest())
    inputs = []
    block = dict(network.named_children())["block1_ffn"]
    reduce = block.reduce
    original = reduce.forward
    reduce.forward = lambda h: (inputs.append(h), original(h))[1]
    network(x)
    h = torch.cat([i.flatten(0, 1) for i in inputs]).double()
    (product,) = moments.products[FFN]
    assert (product.weight, product.bias, product.inputs) == ("reduce.weight", "reduce.bias", (256,))
    torch.testing.assert_close(product.mean.double(), h.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(product.covariance.double(), torch.cov(h.T, correction=0), rtol=1e-3, atol=1e-5)
    assert {p.weight for each in moments.products.values() for p in each} == {"reduce.weight", "proj_weight"}


@torch.no_grad()
def test_cutting_out_and_evaluating_in_place_see_the_same_network(trained, digits, moments):
    net, x = deepcopy(trained), digits.val.sample(8).all()[0]
    small = net.space.arch(width=48, depth=3, mlp_ratio=(2.0, 3.0, 4.0), heads=(2, 4, 3))
    plain = net(x, small)
    net.compensation = moments
    assert (net(x, small) != plain).any()
    assert torch.equal(net(x, small), net.extract(small)(x))
    assert torch.equal(net(x, net.space.largest()), trained(x, net.space.largest()))
    assert torch.equal(net.uncompensated(small)(x), plain)
    assert torch.equal(net.train()(x, small), plain)  # training moves the weights, and sees them as they are


@torch.no_grad()
def test_weights_that_changed_are_not_answered_from_memory(trained, digits, moments):
    net, x = deepcopy(trained), digits.val.sample(8).all()[0]
    small = arch_of(net.space, 2.0)
    net.compensation = moments
    before = net(x, small)
    net.layers[FFN].reduce.weight.mul_(1.5)
    again = deepcopy(net)
    assert (net(x, small) != before).any()
    assert torch.equal(net(x, small), again(x, small))


@torch.no_grad()
def test_what_is_remembered_is_bounded_by_its_bytes(trained, digits, moments, monkeypatch):
    net, x = deepcopy(trained), digits.val.sample(2).all()[0]
    archs = [arch_of(net.space, ratio, heads) for ratio in (2.0, 3.0) for heads in (2, 3)]
    net.compensation = replace(moments, _known=OrderedDict())
    expected = [net(x, arch) for arch in archs]
    most = num_bytes(net.compensation._known) // 2
    monkeypatch.setattr("vitnas.supernets.compensation.REMEMBERED", most)
    net.compensation = replace(moments, _known=OrderedDict())
    for arch, answer in zip(archs, expected, strict=True):
        assert torch.equal(net(x, arch), answer)
        assert 0 < num_bytes(net.compensation._known) <= most


def num_bytes(known):
    return sum(tensor.nbytes for pair in known.values() for tensor in pair if tensor is not None)


@torch.no_grad()
def test_half_of_the_units_are_missed_less_when_compensated(trained, digits, moments):
    """The direction of the figures that were measured on Fashion-MNIST, for units and for heads."""
    for small in (arch_of(trained.space, 2.0), arch_of(trained.space, heads=2)):
        net = deepcopy(trained)
        whole = evaluate(net.extract(net.space.largest()), digits.val).loss
        plain = evaluate(net.extract(small), digits.val).loss
        net.compensation = moments
        compensated = evaluate(net.extract(small), digits.val).loss
        energy = IMPORTANCES.load("activation")(num_images=256)
        net = deepcopy(trained)
        sort_channels(net, energy.channels(net, digits.train))
        alone = evaluate(net.extract(small), digits.val).loss
        net.compensation = measure_moments(net, digits.train, num_images=256)
        both = evaluate(net.extract(small), digits.val).loss
        assert whole < compensated < plain
        assert both < min(plain, alone)
        assert both - whole < 0.75 * (plain - whole)


def test_costs_add_up_and_tell_which_archs_err_more(trained, digits, moments):
    space = trained.space
    costs = error_table(trained, moments)
    assert costs(space.encode([space.largest()]))[0] == pytest.approx(0, abs=1e-9)
    ladder = [arch_of(space, r, h) for r, h in ((4.0, 4), (4.0, 3), (3.0, 3), (2.0, 2))]
    assert (np.diff(costs(space.encode(ladder))) > 0).all()
    net = deepcopy(trained)
    net.compensation = moments
    x = digits.val.sample(128).all()[0]
    codes = space.genome.sample(12, np.random.default_rng(1))
    with torch.no_grad():
        whole = net(x, space.largest())
        true = [float((net(x, arch) - whole).square().sum(1).mean()) for arch in space.decode(codes)]
    ranks = [np.argsort(np.argsort(v)) for v in (true, costs(codes))]
    assert np.corrcoef(*ranks)[0, 1] > 0.7


def test_queries_and_keys_that_are_lost_are_not_free():
    """No product reads them, so nothing makes up for them: their share of the squares counts."""
    whole, less = (
        LayerSpec.of(
            "offset_attention",
            (16, 4, 4),
            (16, 4, 4),
            heads=2,
            key_width=width,
            value_width=8,
            window=4,
            layer_scale=False,
        )
        for width in (8, 6)
    )
    layer = build(whole)
    product = ProductMoments("proj", "proj_bias", (16,), (2, 8), torch.zeros(16), torch.eye(16), torch.ones(16))
    squares = layer.query_key.detach().square().sum(dim=(0, 1, 3)).double()
    expected = float(squares[6:].sum() / squares.sum())
    assert lost_unread(layer, less, (product,)) == pytest.approx(expected, rel=1e-5)
    narrow = LayerSpec.of(
        "offset_attention", (16, 4, 4), (16, 4, 4), heads=1, key_width=8, value_width=8, window=4, layer_scale=False
    )
    assert lost_unread(layer, narrow, (product,)) == 0.0


def test_no_images(trained, digits):
    with pytest.raises(DataError, match="at least one"):
        measure_moments(trained, digits.val.only(np.arange(0)))


def test_the_file_of_a_run(trained, moments, tmp_path):
    run = RunFolder(tmp_path)
    assert load_compensation(run, trained) is None
    save_compensation(run, trained, moments)
    again = load_compensation(run, trained)
    assert again.num_images == moments.num_images
    for key, each in moments.products.items():
        for one, other in zip(each, again.products[key], strict=True):
            assert (one.weight, one.bias, one.answers, one.inputs) == (
                other.weight, other.bias, other.answers, other.inputs
            )  # fmt: skip
            assert all(torch.equal(getattr(one, n), getattr(other, n)) for n in ("mean", "covariance", "gain"))
    assert all(torch.equal(power, again.powers[key]) for key, power in moments.powers.items())
    other = deepcopy(trained)
    with torch.no_grad():
        other.layers[FFN].reduce.bias[0] += 1
    with pytest.raises(CheckpointError, match="other weights .* compensate = true"):
        load_compensation(run, other)
    content = bytearray(run.moments_file.read_bytes())
    content[-3] ^= 1
    run.moments_file.write_bytes(content)
    with pytest.raises(CheckpointError, match="does not match|do not match"):
        load_compensation(run, trained)
