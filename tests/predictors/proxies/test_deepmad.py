"""DeepMAD's entropy against the published numbers, and its programme against looking at everything."""

from __future__ import annotations

import numpy as np
import pytest

from vitnas.errors import SearchError
from vitnas.predictors.proxies import deepmad_search
from vitnas.predictors.proxies.deepmad import DeepMADEntropy, effective_entropy, effectiveness, entropy
from vitnas.predictors.proxies.deepmad_search import NetworkBudget, maximise_entropy
from vitnas.search_spaces import Blueprint, LayerSpec, SearchSpace, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.counting.population import PopulationCounter

PUBLISHED = {
    "R18": (32120.20, 0.29910),
    "R34": (43142.67, 0.29999),
    "R50": (48919.28, 0.29975),
    "29M-224": (11915.37, 0.49648),
    "29M-288": (11705.14, 0.49663),
    "50M": (14833.20, 0.49302),
    "89M": (18020.38, 0.49514),
}
"""Score and effectiveness."""


def _blueprint(label: str) -> Blueprint:
    space = load_space("deepmad-resnet" if label.startswith("R") else "deepmad-mobile")
    return space.lower(space.named(f"DeepMAD-{label}"))


@pytest.mark.heavy
@pytest.mark.parametrize("label", PUBLISHED)
def test_published_scores_and_effectiveness_come_back(label):
    score, rho = PUBLISHED[label]
    blueprint = _blueprint(label)
    assert entropy(blueprint, as_released=True) == pytest.approx(score, abs=0.006)
    assert effectiveness(blueprint) == pytest.approx(rho, abs=6e-6)


@pytest.mark.heavy
def test_the_side_of_excited_stages_counts():
    assert entropy(_blueprint("29M-224")) == pytest.approx(19135.93, abs=0.01)
    assert entropy(_blueprint("R18")) == entropy(_blueprint("R18"), as_released=True)


def test_published_networks_are_effective_and_others_fall_below_zero():
    blueprint = _blueprint("R18")
    assert effective_entropy(blueprint) == entropy(blueprint)
    rho = effectiveness(blueprint)
    assert effective_entropy(blueprint, rho=rho / 2) == pytest.approx(-1)


def test_depth_raises_and_width_lowers_rho():
    space = load_space("deepmad-resnet")
    arch = space.named("DeepMAD-R18")
    genes = dict(arch.genes)

    def rho(**changed: object) -> float:
        return effectiveness(space.lower(space.arch(**{**genes, **changed})))

    deeper = max(c for c in _choices(space, "depth.s2"))
    wider = max(c for c in _choices(space, "bottleneck.s2"))
    assert rho(**{"depth.s2": deeper}) > rho() > rho(**{"bottleneck.s2": wider})


def test_other_networks_are_refused():
    space = load_space("autoformer-mini")
    with pytest.raises(SearchError, match="'deepmad' is defined for convolutional networks .* choose another proxy"):
        effective_entropy(space.lower(space.smallest()))
    stem = LayerSpec.of("conv_stem", (3, 32, 32), (8, 16, 16), kernel=3, stride=2)
    with pytest.raises(SearchError, match="weighs 5 stages, and this network has 1"):
        entropy(Blueprint.single(stem))
    assert DeepMADEntropy.num_images == 0


def _choices(space: SearchSpace, gene: str) -> list[int]:
    (found,) = [list(column.choices) for column in space.columns if column.gene == gene]
    return [int(choice) for choice in found if isinstance(choice, int)]


@pytest.fixture(scope="module")
def few() -> SearchSpace:
    """A few hundred networks around R18."""
    space = load_space("deepmad-resnet")
    kept = {name: (value,) for name, value in space.named("DeepMAD-R18").genes}
    for gene in ("depth.s2", "depth.s3", "bottleneck.s4", "width.s5"):
        kept[gene] = tuple(_choices(space, gene)[:5])
    return space.restrict(**kept)


def test_of_a_small_space_none_is_better(few):
    archs = few.decode(few.genome.enumerate())
    assert 100 < len(archs) < 1000
    limit = float(np.median([count(few.lower(arch)).num_params for arch in archs]))
    best = max(effective_entropy(few.lower(arch)) for arch in archs if count(few.lower(arch)).num_params <= limit)
    found = maximise_entropy(few, NetworkBudget(num_params=limit))
    assert found.exact
    assert found.num_scored == len(archs)
    assert found.entropy == best
    assert found.rho <= 0.3
    assert PopulationCounter(few)(few.encode([found.arch])).num_params[0] <= limit


def test_a_climb_comes_as_high(few, monkeypatch):
    limits = NetworkBudget(macs=1.8e9)
    exact = maximise_entropy(few, limits)
    monkeypatch.setattr(deepmad_search, "EXACT_UP_TO", 0)
    climbed = maximise_entropy(few, limits, np.random.default_rng(1))
    assert not climbed.exact
    assert climbed.entropy == pytest.approx(exact.entropy)
    assert maximise_entropy(few, limits, np.random.default_rng(1)) == climbed


def test_limits_that_nothing_meets_are_refused(few):
    with pytest.raises(SearchError, match="no arch of 'deepmad-resnet' is within .* widen the limits"):
        maximise_entropy(few, NetworkBudget(num_params=1e5))


def test_depth_is_a_limit_too(few):
    depths = [len(few.lower(arch)) for arch in few.decode(few.genome.enumerate())]
    least = min(depths)
    assert len(few.lower(maximise_entropy(few, NetworkBudget(depth=least)).arch)) == least < max(depths)
