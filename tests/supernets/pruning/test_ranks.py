"""Turned weights answer as before, and what a lower rank loses is the tail of the singular values."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vitnas.search_spaces import Task
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.supernets.compensation import ProductMoments, rows_of
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.layers.low_rank import LowRankProduct
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.ranks import turn, turn_ranks
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.ordering import sort_given

Drawn = tuple[LowRankProduct, Tensor, ProductMoments]


@torch.no_grad()
def drawn(inputs: int, answers: int, rank: int, seed: int) -> Drawn:
    """A product, inputs that hang together and have means, and the moments of what is between its two weights."""
    torch.manual_seed(seed)
    product = LowRankProduct((inputs,), (answers,), rank).double()
    for parameter in product.parameters():
        parameter.normal_()
    x = torch.randn(300, inputs, dtype=torch.double) @ torch.randn(inputs, inputs, dtype=torch.double) + 3
    z = x @ product.down.T + product.down_bias
    mean, gain = z.mean(0), torch.rand(answers, dtype=torch.double)
    covariance = (z - mean).T @ (z - mean) / len(z)
    return product, x, ProductMoments("up", "up_bias", (answers,), (rank,), mean, covariance, gain)


def cut(product: LowRankProduct, rank: int, x: Tensor) -> Tensor:
    z = x @ product.down[:rank].T + product.down_bias[:rank]
    return z @ product.up[:, :rank].T + product.up_bias


sizes = st.tuples(st.integers(1, 7), st.integers(1, 7), st.integers(1, 6), st.integers(0, 10_000))


@torch.no_grad()
@settings(deadline=None)
@given(sizes)
def test_a_lower_rank_loses_the_tail_of_the_singular_values(size: tuple[int, int, int, int]) -> None:
    """Of the weight between inputs whitened over the images and answers weighed by their gains."""
    product, x, moments = drawn(*size)
    before = product(x)
    weight = product.up @ product.down
    centred = (x - x.mean(0)) / len(x) ** 0.5
    singular = torch.linalg.svdvals(moments.gain.sqrt()[:, None] * (weight @ centred.T))
    turn(product, moments)
    torch.testing.assert_close(product(x), before, rtol=1e-4, atol=1e-4 * float(before.abs().max()))
    whole = float(singular.square().sum())
    for rank in range(len(product.down) + 1):
        error = float(((cut(product, rank, x) - before).square().mean(0) * moments.gain).sum())
        assert error == pytest.approx(float(singular[rank:].square().sum()), rel=1e-3, abs=1e-5 * whole)


@torch.no_grad()
@given(sizes)
def test_the_two_weights_are_alike_in_size(size: tuple[int, int, int, int]) -> None:
    inputs, answers, rank, seed = size
    product, _, moments = drawn(inputs, answers, min(rank, inputs, answers), seed)
    turn(product, moments)
    torch.testing.assert_close(product.up.norm(dim=0), product.down.norm(dim=1))


@torch.no_grad()
@pytest.mark.parametrize("varying", [0, 1, 3])
def test_inputs_that_hardly_vary_have_a_place_too(varying: int) -> None:
    """Some directions between the two weights never vary, up to the rounding of moments in fp32, or none does."""
    torch.manual_seed(0)
    product, _, moments = drawn(6, 5, 6, 0)
    basis = torch.linalg.qr(torch.randn(6, 6, dtype=torch.double)).Q[:, :varying]
    rounded = (1e4 * basis @ basis.T).float() - 1e-4 * torch.eye(6)
    x = torch.randn(9, 6, dtype=torch.double)
    before = product(x)
    turn(product, replace(moments, covariance=rounded, mean=moments.mean.float(), gain=moments.gain.float()))
    torch.testing.assert_close(product(x), before, rtol=1e-3, atol=1e-3)


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset(DataSettings("digits"))


@pytest.fixture
def net(digits: Dataset) -> Supernet:
    task: Task = digits.task
    space = PlainViT(
        "small",
        task,
        width=(24,),
        depth=(2,),
        heads=(2,),
        mlp_ratio=(2.0,),
        patch=4,
        head_width=12,
        rank=(0.25, 0.5, 1.0),
    )
    net = Supernet(space, seed=1).eval()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if parameter.ndim > 1 and ("up" in name or "down" in name):
                parameter.mul_(2)
    return net


@torch.no_grad()
def test_a_network_answers_as_before_and_its_lower_ranks_nearer(net: Supernet, digits: Dataset) -> None:
    space, images = net.space, digits.train.sample(128, 0)
    x = torch.cat([batch for batch, _ in images.batches(64)])
    whole = space.largest()
    lower = space.arch(**{**dict(whole.genes), "rank": (0.5, 0.5)})
    before, far = net(x, whole), net(x, lower)
    turn_ranks(net, measure_moments(net, images, whole, num_images=128), whole)
    torch.testing.assert_close(net(x, whole), before, rtol=1e-3, atol=1e-4)
    near = net(x, lower)
    assert (near - before).square().mean() < 0.5 * (far - before).square().mean()


@torch.no_grad()
def test_the_order_that_a_training_begins_with_keeps_it(net: Supernet, digits: Dataset) -> None:
    space = net.space
    whole = space.largest()
    done = sort_given(net, whole, digits.train, "activation", 0)
    assert "block0_ffn-low_rank_feed_forward.rank" in done.sorted
    seen = measure_moments(net, digits.train, whole)
    ups = [m for products in seen.products.values() for m in products if m.weight.endswith("up")]
    assert len(ups) == 8
    for key, moments in ((k, m) for k, products in seen.products.items() for m in products if m in ups):
        spread = moments.covariance.diagonal()
        assert (moments.covariance - spread.diag()).abs().max() < 1e-3 * spread.max()
        weight = rows_of(moments, net.layers[key].get_parameter(moments.weight), (*moments.answers, *moments.inputs))
        energy = spread * (moments.gain.double()[:, None] * weight.square()).sum(dim=0)
        assert (energy.diff() <= 1e-5 * energy[0]).all()
