"""What every registered proxy promises, on every registered space."""

from __future__ import annotations

import subprocess
import sys
import time
from functools import lru_cache

import numpy as np
import pytest
import torch
from torch import nn

from tests.contracts.layer_examples import small_space
from vitnas.errors import SearchError, SettingsError, UnknownNameError
from vitnas.predictors.proxies import PROXIES
from vitnas.predictors.proxies.aggregate import ASSEMBLIES
from vitnas.predictors.proxies.scoring import score_archs
from vitnas.search_spaces import SPACES, Arch, SearchSpace, Task, load_space
from vitnas.supernets.supernet import build_network

MINI = load_space("autoformer-mini")
CONVOLUTIONS = load_space("deepmad-resnet", Task(image_size=32, num_classes=10))
DRAWN = set(PROXIES) - {"params", "macs", "deepmad", "feature-rank"}

CHEAP = ("asvit", "autoformer-mini", "elasticvit", "tinyvit")
"""Spaces whose smallest arch all proxies score in about a second."""

WITHOUT_ATTENTION = {  # as layers of their own
    "sret",
    "ascan",
    "attentivenas",
    "convnext",
    "deepmad-mobile",
    "deepmad-resnet",
    "efficientformer",
    "mixers",
}
"""Spaces whose smallest arch has none."""

each_proxy = pytest.mark.parametrize("name", PROXIES.names())


@lru_cache
def _case(name: str) -> tuple[SearchSpace, Arch]:
    space = CONVOLUTIONS if name == "deepmad" else MINI
    return space, space.smallest()


def _fresh(space: SearchSpace, arch: Arch) -> nn.Sequential:
    torch.manual_seed(0)
    return build_network(space.lower(arch))


@each_proxy
def test_name_is_that_of_the_registry(name):
    assert PROXIES.load(name).name == name
    assert PROXIES.load(name).__doc__


@each_proxy
def test_same_seed_same_score_to_the_last_bit(name):
    space, arch = _case(name)
    first, again = (score_archs(space, [arch], [name], seed=3)[name] for _ in range(2))
    assert first == again
    assert np.isfinite(first).all()


@pytest.mark.parametrize("name", sorted(DRAWN))
def test_another_seed_draws_other_weights(name):
    space, arch = _case(name)
    assert score_archs(space, [arch], [name], seed=0)[name] != score_archs(space, [arch], [name], seed=1)[name]


@each_proxy
def test_neither_the_network_nor_random_state_is_changed(name):
    space, arch = _case(name)
    blueprint, network = space.lower(arch), _fresh(space, arch)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    mode = network.training
    images = torch.randn(16, *blueprint.in_shape)
    state = torch.get_rng_state()
    PROXIES.load(name)().score(network, blueprint, images)
    assert torch.equal(state, torch.get_rng_state())
    assert network.training == mode
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.heavy
@each_proxy
def test_scores_of_many_are_those_of_each(name):
    space, _ = _case(name)
    archs = space.sample(3, np.random.default_rng(5))
    together = score_archs(space, archs, [name])[name]
    np.testing.assert_array_equal(together, [score_archs(space, [arch], [name])[name][0] for arch in archs])


@each_proxy
def test_too_few_images_are_refused(name):
    proxy = PROXIES.load(name)()
    if proxy.num_images == 0:
        pytest.skip("looks at no images")
    space, arch = _case(name)
    with pytest.raises(SearchError, match=f"'{name}' looks at {proxy.num_images} images, got 1; give more"):
        proxy.score(_fresh(space, arch), space.lower(arch), torch.randn(1, *space.lower(arch).in_shape))


@pytest.mark.parametrize(
    "space_name", [s if s in CHEAP else pytest.param(s, marks=pytest.mark.slow) for s in SPACES.names()]
)
@pytest.mark.heavy
def test_every_space_is_scored_or_told_why_not(space_name):
    space = small_space(space_name)
    arch = space.smallest()
    blueprint, network = space.lower(arch), _fresh(space, arch)
    images = torch.randn(16, *blueprint.in_shape)
    refused: dict[str, str] = {}
    for name in PROXIES:
        try:
            assert np.isfinite(PROXIES.load(name)().score(network, blueprint, images)), name
        except SearchError as error:
            refused[name] = str(error)
    expected = set() if space_name.startswith("deepmad") else {"deepmad"}
    expected |= {"dss"} if space_name in WITHOUT_ATTENTION else set()
    expected |= {"naswot"} if space_name == "repavit" else set()  # whose smallest network has no activation at all
    assert set(refused) == expected
    assert all(f"proxy '{name}'" in text and "choose another" in text for name, text in refused.items())


@pytest.mark.slow
@each_proxy
def test_a_tiny_vit_at_224_pixels_takes_less_than_three_seconds(name):
    space = load_space("deepmad-resnet" if name == "deepmad" else "deit")
    arch = space.named("DeepMAD-R18" if name == "deepmad" else "DeiT-Ti")
    blueprint, network, proxy = space.lower(arch), _fresh(space, arch), PROXIES.load(name)()
    images = torch.randn(16, *blueprint.in_shape)
    seconds = []
    for _ in range(2):  # the first call imports what it needs
        start = time.process_time()
        proxy.score(network, blueprint, images)
        seconds.append(time.process_time() - start)
    assert min(seconds) < 3.0


@pytest.mark.gpu
@each_proxy
def test_a_gpu_agrees_with_the_processor(name):
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    space, arch = _case(name)
    here, there = (score_archs(space, [arch], [name], device=device)[name][0] for device in ("cpu", "cuda"))
    assert there == pytest.approx(here, rel=2e-2 if name in ("ntk", "jacob-cov") else 1e-3)


def test_nothing_to_score_by_or_of_is_refused():
    arch = MINI.smallest()
    with pytest.raises(SettingsError, match="name at least one proxy of"):
        score_archs(MINI, [arch], [])
    with pytest.raises(SearchError, match="no arch to score"):
        score_archs(MINI, [], ["params"])
    with pytest.raises(UnknownNameError, match="Did you mean 'synflow'"):
        score_archs(MINI, [arch], ["sinflow"])
    with pytest.raises(SearchError, match="'aggregate' ranks archs among each other, and there is one"):
        score_archs(MINI, [arch], ["aggregate"])


def test_archs_of_two_spaces_are_refused():
    other = load_space("autoformer-tiny").smallest()
    with pytest.raises(Exception, match="belongs to space 'autoformer-tiny', not to 'autoformer-mini'"):
        score_archs(MINI, [MINI.smallest(), other], ["params"])


def test_images_of_another_size_are_refused_and_given_ones_are_looked_at():
    arch = MINI.smallest()
    with pytest.raises(SearchError, match="looks at images of"):
        score_archs(MINI, [arch], ["naswot"], images=torch.randn(8, 1, 9, 9))
    drawn = score_archs(MINI, [arch], ["naswot"])["naswot"]
    given = score_archs(MINI, [arch], ["naswot"], images=torch.rand(8, 1, 8, 8))["naswot"]
    assert drawn != given


@pytest.mark.parametrize("together", ASSEMBLIES)
def test_an_assembly_comes_with_its_parts(together):
    archs = MINI.sample(4, np.random.default_rng(0))
    assert set(score_archs(MINI, archs, [together])) == {together, *ASSEMBLIES[together].parts}


def test_listing_proxies_needs_no_torch():
    code = "import sys; from vitnas.predictors.proxies import PROXIES; list(PROXIES); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
