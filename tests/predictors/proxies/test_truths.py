"""Every proxy against its definition, computed in another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.predictors.proxies import PROXIES
from vitnas.predictors.proxies.dss import gradients_of_ones
from vitnas.predictors.proxies.expressivity import entropies
from vitnas.predictors.proxies.intercept import linear, without_norms
from vitnas.predictors.proxies.length_distortion import body, by_backward, by_jvp, circle
from vitnas.predictors.proxies.ntk import condition, kernel
from vitnas.predictors.proxies.proxy import random_labels, weights
from vitnas.predictors.proxies.synflow import SynFlow
from vitnas.predictors.proxies.trainability import Trainability
from vitnas.search_spaces import Blueprint, LayerSpec, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.layers import Layer, build
from vitnas.supernets.supernet import build_network

SPACE = load_space("autoformer-mini")
BLUEPRINT = SPACE.lower(SPACE.smallest())


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(1)
    return build_network(BLUEPRINT)


@pytest.fixture
def images() -> Tensor:
    return torch.randn(8, *BLUEPRINT.in_shape, generator=torch.Generator().manual_seed(2))


def score(name: str, network: nn.Module, images: Tensor) -> float:
    return PROXIES.load(name)().score(network, BLUEPRINT, images)


def inputs_of(network: nn.Module, kinds: tuple[type[nn.Module], ...], images: Tensor) -> list[Tensor]:
    """What modules of some kinds get, by hooks."""
    found: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(lambda _, args: found.append(args[0].detach()))
        for module in network.modules()
        if isinstance(module, kinds)
    ]
    network(images)
    for hook in hooks:
        hook.remove()
    return found


def test_counts(network, images):
    assert score("params", network, images) == sum(p.numel() for p in network.parameters())
    assert score("macs", network, images) == count(BLUEPRINT).macs


def test_the_kernel_is_the_product_of_jacobians(network, images):
    network = network.double().eval()
    given = dict(weights(network))

    def answers(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(network, parameters, (images[:4].double(),)).sum(dim=1)

    rows = torch.func.jacrev(answers)({name: weight.detach() for name, weight in given.items()})
    jacobian = torch.cat([row.flatten(1) for row in rows.values()], dim=1)
    torch.testing.assert_close(kernel(network, images[:4].double()), jacobian @ jacobian.T)


def test_biases_gains_and_positions_are_no_weights(network):
    names = [name for name, _ in weights(network)]
    assert "block0_attention.qkv_weight" in names
    assert not [name for name in names if "bias" in name or "norm" in name or "relative" in name or "position" in name]


def test_the_condition_is_that_of_numpy():
    root = np.random.default_rng(0).normal(size=(5, 7))
    gram = root @ root.T
    assert condition(torch.from_numpy(gram)) == pytest.approx(np.linalg.cond(gram))
    singular = condition(torch.ones(3, 3, dtype=torch.float64))
    assert 1e12 < singular < math.inf  # as far as double precision tells


def test_the_flow_of_a_chain_is_counted_once_for_every_layer():
    torch.manual_seed(0)
    chain = nn.Sequential(nn.Linear(5, 7, bias=False), nn.GELU(), nn.LayerNorm(7), nn.Linear(7, 3, bias=False))
    first, second = chain[0].weight.abs().double(), chain[3].weight.abs().double()
    through = float((second @ first @ torch.ones(5, dtype=torch.float64)).sum().detach())
    blueprint = Blueprint.single(LayerSpec.of("feed_forward", (5,), (3,)))
    assert SynFlow().score(chain, blueprint, torch.empty(0)) == pytest.approx(math.log(2 * through))


def test_the_linear_flow_looks_everywhere_alike():
    spec = LayerSpec.of("attention", (5, 12), (5, 12), heads=3, head_width=4, reach=0)
    for reach in (0, 2):
        layer = build(LayerSpec.of("attention", spec.in_shape, spec.out_shape, heads=3, head_width=4, reach=reach))
        if reach:
            nn.init.zeros_(layer.relative)
        x = torch.randn(2, 5, 12)
        with linear():
            found = layer(x)
        value = F.linear(x, layer.qkv_weight[2].flatten(0, 1)).mean(dim=1, keepdim=True)
        torch.testing.assert_close(found, x + F.linear(value, layer.proj_weight.flatten(1)).expand_as(x))


def test_features_without_norms_take_them_for_identities(network, images):
    with without_norms():
        found = network(images)
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.LayerNorm | nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    torch.testing.assert_close(found, network(images))


def test_dss_adds_nuclear_norms_of_attention_to_the_flow_of_the_rest(network, images):
    twin = build_network(BLUEPRINT).double().eval()
    twin.load_state_dict({name: value.abs().double() for name, value in network.state_dict().items()})
    twin(torch.ones(1, *BLUEPRINT.in_shape, dtype=torch.float64)).sum().backward()
    expected = 0.0
    for site, layer in twin.named_children():
        if site.endswith("attention"):
            for weight, inner in (
                (layer.qkv_weight, layer.qkv_weight.shape[-1]),
                (layer.proj_weight, layer.proj_weight[0].numel()),
            ):
                both = [t.detach().reshape(-1, inner).numpy() for t in (weight, weight.grad)]
                expected += math.prod(np.linalg.norm(matrix, "nuc") for matrix in both)
        elif site.endswith("ffn"):
            expected += sum(float((w.weight * w.weight.grad).sum().detach()) for w in (layer.expand, layer.reduce))
    assert score("dss", network, images) == pytest.approx(expected, rel=1e-6)


def test_saliency_of_magnitudes_needs_no_sign(network):
    found = [weight for _, weight in weights(network)]
    grads = gradients_of_ones(network, BLUEPRINT, found)
    assert all((weight >= 0).all() for weight in network.parameters())
    assert all(grad.shape == weight.shape for weight, grad in zip(found, grads, strict=True))


def test_gradient_norms_and_snip_by_a_plain_backward_pass(network, images):
    norms, saliency = score("grad-norm", network, images), score("snip", network, images)
    torch.manual_seed(0)
    labels = random_labels(torch.zeros(4, 10))
    F.cross_entropy(network.train()(images[:4]), labels).backward()
    found = [weight for _, weight in weights(network)]
    assert norms == pytest.approx(sum(float(w.grad.norm()) for w in found), rel=1e-5)
    assert saliency == pytest.approx(sum(float((w * w.grad).abs().sum().detach()) for w in found), rel=1e-5)


def test_naswot_by_counting_units_that_agree(network, images):
    images = images[:6]
    before = []
    original = F.gelu
    hooks = [
        layer.expand.register_forward_hook(lambda *args: before.append(args[2].detach()))
        for name, layer in network.named_children()
        if name.endswith("ffn")
    ]
    network.train()(images)
    for hook in hooks:
        hook.remove()
    assert original is F.gelu
    codes = torch.cat([x.flatten(1) > 0 for x in before], dim=1).numpy()
    alike = (codes[:, None] == codes[None]).sum(axis=2).astype(float)
    assert score("naswot", network, images) == pytest.approx(np.linalg.slogdet(alike)[1], rel=1e-6)


def test_jacobian_covariance_by_whole_jacobians(network, images):
    images = images[:6]
    jacobian = torch.autograd.functional.jacobian(lambda x: network(x).sum(dim=1), images)
    own = np.stack([jacobian[i, i].flatten().double().numpy() for i in range(6)])
    values = np.linalg.eigvalsh(np.corrcoef(own)) + 1e-5
    assert score("jacob-cov", network, images) == pytest.approx(-(np.log(values) + 1 / values).sum(), rel=1e-3)


def test_the_length_of_a_circle_by_one_pass_forwards_and_by_one_back_for_every_feature(network, images):
    torch.manual_seed(0)
    x, dx = circle(BLUEPRINT, images)
    features = body(network)
    with without_norms():
        assert float(by_jvp(features, x, dx)) == pytest.approx(float(by_backward(features, x, dx)), rel=1e-4)


def test_the_length_of_what_a_matrix_makes_of_a_circle():
    matrix = torch.randn(3, math.prod(BLUEPRINT.in_shape))
    x, dx = circle(BLUEPRINT, torch.empty(0))
    torch.testing.assert_close(x.flatten(1).norm(dim=1), torch.ones(10))
    torch.testing.assert_close((x * dx).flatten(1).sum(dim=1), torch.zeros(10), atol=1e-6, rtol=0)
    expected = sum(float((matrix @ tangent.flatten()).norm()) for tangent in dx)
    assert float(by_jvp(lambda image: image.flatten(1) @ matrix.T, x, dx)) == pytest.approx(expected, rel=1e-5)


def test_zen_by_hooks_on_the_norms(network, images):
    found = score("zen", network, images)
    images = images[:3]
    torch.manual_seed(0)
    with torch.no_grad():
        for _, weight in weights(network):
            weight.copy_(torch.randn(weight.shape))
        x = torch.randn(images.shape)
        moved = x + 0.01 * torch.randn(images.shape)
        divided: list[float] = []
        ends = []
        for start in (x, moved):
            y = start
            for name, layer in list(network.named_children())[:-1]:
                if start is x:
                    seen = inputs_of(layer, (nn.LayerNorm,), y)
                    divided += [math.log(float(z.var(dim=-1).mean().sqrt())) for z in seen]
                z = layer(y)
                y = z - y if name.startswith("block") else z
            ends.append(y)
    expected = math.log(float((ends[0] - ends[1]).abs().mean())) + sum(divided)
    assert found == pytest.approx(expected, rel=1e-4)


def test_entropies_of_principal_components_by_singular_values(network, images):
    found = entropies(network, images)
    assert len(found) == len(BLUEPRINT) - 1
    x = images
    for layer, entropy in zip(list(network)[:-1], found, strict=True):
        x = layer(x)
        rows = x.flatten(0, 1).detach().double().numpy()
        values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False) ** 2
        share = values / values.sum()
        assert entropy == pytest.approx(-(share * np.log(share)).sum(), rel=1e-4)
        assert entropy <= math.log(rows.shape[1]) + 1e-9
    assert score("expressivity", network, images) == pytest.approx(sum(found))
    assert score("progressivity", network, images) == pytest.approx(np.diff(found).min())


def test_ranks_of_features_by_numpy(network):
    images = torch.randn(16, *BLUEPRINT.in_shape)
    layer = network.block1_ffn
    with torch.no_grad():  # a layer that collapses its features to three directions, shortcut and all
        layer.forward = lambda x: x @ torch.randn(48, 3, generator=torch.Generator().manual_seed(0)) @ torch.ones(3, 48)
    expected, x = 0, images
    for each in list(network)[:-1]:
        x = each(x)
        rows = x.flatten(0, 1).detach().numpy()
        expected += np.linalg.matrix_rank(rows - rows.mean(axis=0))
    assert score("feature-rank", network, images) == expected


def test_a_plain_network_spans_all_its_channels_once_features_are_mixed(network):
    stem = 2 * 2 + 16  # pixels of a patch, and positions of 17 tokens about their mean
    blocks = len(BLUEPRINT) - 2
    assert score("feature-rank", network, torch.randn(16, *BLUEPRINT.in_shape)) == stem + blocks * 48


class Turn(Layer):
    """Multiplies every token by one matrix."""

    def __init__(self, spec: LayerSpec, matrix: Tensor) -> None:
        super().__init__(spec)
        self.matrix = nn.Parameter(matrix)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T


@pytest.mark.parametrize("gain", [0.5, 1.0, 3.0])
def test_trainability_sees_the_spectral_norm_of_a_matrix(gain):
    spec = LayerSpec.of("feed_forward", (600, 6), (600, 6))
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(0))).Q
    chain = nn.Sequential(*(Turn(spec, m) for m in (torch.eye(6), gain * rotation, torch.eye(6))))
    blueprint = Blueprint(("a", "b", "c"), (spec,) * 3)
    found = Trainability().score(chain, blueprint, torch.randn(4, 600, 6))
    assert found == pytest.approx(2 - gain - 1 / gain, abs=0.1 * (gain + 1 / gain))  # an estimate by 2,400 random signs
