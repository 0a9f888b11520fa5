"""Networks with simulated quantisers: what is quantised, by what, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.errors import SettingsError
from vitnas.search_spaces import LayerSpec, Task, load_space
from vitnas.search_spaces.precision import FLOAT, Precision
from vitnas.supernets.layers import build
from vitnas.supernets.quantisers.calls import Calls, Factor
from vitnas.supernets.quantisers.power_of_two import PowerOfTwo
from vitnas.supernets.quantisers.quantiser import Role
from vitnas.supernets.quantisers.reparametrisation import to_per_tensor
from vitnas.supernets.quantisers.simulate import SimulatedNetwork, simulate
from vitnas.supernets.quantisers.simulation import SIMULATIONS, Simulation
from vitnas.supernets.quantisers.uniform import UniformQuantiser
from vitnas.supernets.supernet import Supernet

W8A8, W4A4 = Precision.of("w8a8"), Precision.of("w4a4")
UNIFORM = SIMULATIONS["uniform"]


class _Listed(Calls):
    """Writes down what it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Factor] = []
        self.named: list[str] = []

    def factor(self, factor: Factor, x: Tensor) -> Tensor:
        self.seen.append(factor)
        return x

    def function(self, number: int, name: str, x: Tensor, axis: int) -> Tensor | None:
        self.named.append(name)
        return None


def _listed(network: nn.Module, x: Tensor) -> _Listed:
    with torch.no_grad(), _Listed() as listed:
        network(x)
    return listed


def _roles(seen: Sequence[Factor]) -> list[tuple[Role, Role]]:
    return [(a.role, b.role) for a, b in zip(seen[::2], seen[1::2], strict=True)]


def _network(name: str, image_size: int) -> nn.Module:
    torch.manual_seed(0)
    space = load_space(name, Task(image_size=image_size, num_classes=10, in_channels=3))
    return Supernet(space).extract(space.smallest()).eval()


@pytest.fixture(scope="module")
def plain() -> nn.Module:
    return _network("autoformer-mini", 32)


@pytest.fixture(scope="module")
def hybrid() -> nn.Module:
    return _network("efficientformerv2", 64)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def _distance(network: nn.Module, simulated: nn.Module, x: Tensor) -> float:
    exact = network(x)
    return float((simulated(x) - exact).norm() / exact.norm())


def test_attention_is_taken_apart() -> None:
    for reach in (0, 2):
        layer = build(LayerSpec.of("attention", (5, 8), (5, 8), heads=2, head_width=4, reach=reach)).eval()
        x = torch.randn(3, 5, 8)
        listed = _listed(layer, x)
        pairs = _roles(listed.seen)
        assert pairs[0] == (Role.INPUTS, Role.WEIGHTS) == pairs[-1]
        assert pairs[1] == (Role.INPUTS, Role.INPUTS)
        assert (Role.SOFTMAX, Role.INPUTS) in pairs
        assert listed.named == ["layer_norm", "softmax"]
        assert [f.normed for f in listed.seen[::2]] == [True] + [False] * (len(pairs) - 1)
        with torch.no_grad(), _Listed():
            torch.testing.assert_close(layer(x), layer(x))
            apart = layer(x)
        torch.testing.assert_close(apart, layer(x).detach())


def test_what_a_gelu_gave_is_known_through_shapes() -> None:
    layer = build(LayerSpec.of("feed_forward", (5, 8), (5, 8), hidden=16)).eval()
    listed = _listed(layer, torch.randn(3, 5, 8))
    assert _roles(listed.seen) == [(Role.INPUTS, Role.WEIGHTS), (Role.GELU, Role.WEIGHTS)]

    class Turned(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.gelu(x).transpose(1, 2).reshape(3, 40) @ x.new_ones(40, 1) + x.softmax(2).transpose(1, 2).sum()

    assert _roles(_listed(Turned(), torch.randn(3, 5, 8)).seen) == [(Role.GELU, Role.INPUTS)]


def test_a_mode_sees_every_weight_that_multiplies(plain: nn.Module, hybrid: nn.Module, images: Tensor) -> None:
    for network, x in ((plain, images[:, :, ::2, ::2]), (hybrid, images)):
        weights = [f for f in _listed(network, x).seen if f.role is Role.WEIGHTS]
        assert len(weights) == sum(p.ndim > 1 and name.endswith("weight") for name, p in network.named_parameters())


def _check(network: nn.Module, images: Tensor, name: str) -> None:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    eight, four = (simulate(network, SIMULATIONS[name], precision, images) for precision in (W8A8, W4A4))
    assert isinstance(eight, SimulatedNetwork)
    near, far = _distance(network, eight, images), _distance(network, four, images)
    assert 0 < near < 0.25
    assert near < far < 0.7
    assert 0 < eight.softmax_error <= four.softmax_error * 1.2 < 0.01
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", SIMULATIONS)
def test_every_method_is_near_at_eight_bits_and_worse_at_four(plain: nn.Module, images: Tensor, name: str) -> None:
    _check(plain, images[:, :, ::2, ::2], name)


@pytest.mark.parametrize("name", ["PTQ4ViT", "I-ViT"])
def test_a_hybrid_too(hybrid: nn.Module, images: Tensor, name: str) -> None:
    _check(hybrid, images, name)


def test_steps_of_channels_are_what_the_fold_gives() -> None:
    torch.manual_seed(0)
    norm, linear = nn.LayerNorm(12), nn.Linear(12, 7)
    nn.init.uniform_(norm.weight, 0.2, 6)
    nn.init.normal_(norm.bias)
    # Between a first and a last product, which keep 8 bits.
    chain = nn.Sequential(nn.Linear(12, 12), norm, linear, nn.Linear(7, 3)).eval()
    x = torch.randn(300, 12)
    method = Simulation(channels="uniform")
    precision = Precision.of("w5a4")
    found = simulate(chain, method, precision, x)
    with torch.no_grad():
        channels = UniformQuantiser.fit(norm(chain[0](x)), 4, axis=-1)
        one = to_per_tensor(norm.weight, norm.bias, linear.weight, channels)
        weight = UniformQuantiser.fit(one.weight, 5, axis=0, symmetric=True)(one.weight)
        got: list[Tensor] = []
        chain[2].register_forward_hook(lambda module, inputs, answer: got.append(answer))
        found(x)
        first: list[Tensor] = []
        chain[1].register_forward_hook(lambda module, inputs, answer: first.append(inputs[0]))
        found(x)
        moved = F.layer_norm(first[0], (12,), one.gain, one.offset)
        expected = F.linear(one.quantiser(moved), weight, linear.bias + weight @ one.moved)
    torch.testing.assert_close(got[0], expected, atol=1e-4, rtol=1e-4)


def test_the_first_and_the_last_product_keep_eight_bits(images: Tensor) -> None:
    torch.manual_seed(0)
    ends = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.Flatten(), nn.Linear(128, 10)).eval()
    assert _distance(ends, simulate(ends, UNIFORM, Precision.of("w2a2"), images), images) < 0.03


def test_shares_of_whole_numbers_vanish_among_many_tokens() -> None:
    """A property of the published method: attention in steps of 1 / 128, rounded down, is nothing where it is even."""

    class Even(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.softmax(dim=-1) + 0 * (x @ x.T).sum()

    for tokens, share in ((100, 1 / 128), (200, 0.0)):
        x = torch.zeros(2, tokens)
        assert torch.equal(simulate(Even().eval(), SIMULATIONS["I-ViT"], W8A8, x)(x), torch.full((2, tokens), share))


def test_whole_number_functions_leave_products_alone() -> None:
    torch.manual_seed(0)

    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.layer_norm(x, (8,), torch.full((8,), 2.0), torch.ones(8)) + x.softmax(dim=1) + 0 * (x @ x.T).sum()

    x = torch.randn(40, 8)
    simulated = simulate(Twice().eval(), SIMULATIONS["I-ViT"], W8A8, x)
    assert 0 < float((simulated(x) - Twice()(x)).abs().max()) < 0.06
    assert torch.equal(simulate(Twice().eval(), UNIFORM, W8A8, x)(x), Twice()(x))


def test_what_cannot_be_simulated_is_refused(images: Tensor) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 4))
    with pytest.raises(SettingsError, match="call its eval"):
        simulate(network, UNIFORM, W8A8, images)
    for precision in (FLOAT, Precision.of("w4")):
        with pytest.raises(SettingsError, match=f"not '{precision}'"):
            simulate(network.eval(), UNIFORM, precision, images)

    class Causal(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(x, x, x, is_causal=True)

    with pytest.raises(SettingsError, match="not traced or folded"):
        simulate(nn.Flatten().eval(), UNIFORM, W8A8, images)
    with pytest.raises(SettingsError, match="causal"):
        simulate(Causal().eval(), UNIFORM, W8A8, images)


def test_what_a_norm_takes_has_steps_of_its_channels() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 12) * torch.logspace(-1, 1, 12)
    chain = nn.Sequential(nn.Linear(12, 12), nn.LayerNorm(12), nn.Linear(12, 3)).eval()
    nn.init.eye_(chain[0].weight)
    found, plain = (simulate(chain, Simulation(norms=norms), W8A8, x) for norms in ("power_of_two", ""))
    steps = found._fitted.norms[0]
    assert isinstance(steps, PowerOfTwo)
    assert len(steps.scale.unique()) > 1
    assert plain._fitted.norms == {}
    with torch.no_grad():
        assert torch.equal(found(x), found(x))
        assert not torch.equal(found(x), plain(x))
