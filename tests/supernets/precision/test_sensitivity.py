"""What a layer is the cause of adds up to what layers do together."""

from __future__ import annotations

import pytest
import torch

from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.precision import Precision
from vitnas.supernets.precision.quantised import quantised
from vitnas.supernets.precision.ranges import calibrate
from vitnas.supernets.precision.sensitivity import layer_sensitivities, mean_divergence
from vitnas.supernets.supernet import build_network

W4A4 = Precision.of("w4a4")


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    torch.manual_seed(0)
    space = load_space("autoformer-mini", Task(8, 10, 1))
    return build_network(space.lower(space.smallest())).eval()


def test_two_layers_add_up_exactly(network: torch.nn.Module) -> None:
    x = torch.randn(16, 1, 8, 8)
    sites = [site for site, _ in network.named_children() if site.endswith("_ffn")][:2]
    ranges = calibrate(network, [x])
    found = layer_sensitivities(network, {site: [W4A4] for site in sites}, ranges, x)
    with torch.no_grad():
        both = mean_divergence(network(x), quantised(network, dict.fromkeys(sites, W4A4), ranges)(x))
    assert sum(one.rounded["w4a4"] for one in found.values()) == pytest.approx(both, rel=1e-4)


def test_layers_that_are_not_asked_for_are_rounded_around_those_that_are(network: torch.nn.Module) -> None:
    x = torch.randn(16, 1, 8, 8)
    sites = [site for site, _ in network.named_children() if site.endswith(("_ffn", "_attention"))]
    ranges = calibrate(network, [x])
    whole = layer_sensitivities(network, {site: [W4A4] for site in sites}, ranges, x)
    one = layer_sensitivities(network, {sites[1]: [W4A4]}, ranges, x, sites)
    assert one == {sites[1]: whole[sites[1]]}
