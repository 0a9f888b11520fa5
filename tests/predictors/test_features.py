from __future__ import annotations

import numpy as np
import pytest

from vitnas.predictors.features import Features, FeaturesAndProducts
from vitnas.predictors.network_features import NetworkFeatures
from vitnas.search_spaces import SPACES, load_space
from vitnas.supernets.counting.counts import count_layer

KINDS = (Features, FeaturesAndProducts, NetworkFeatures)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["autoformer-mini", "deit"])
def test_rows_are_those_of_each_arch_and_columns_those_of_the_groups(name, kind):
    space = load_space(name)
    features = kind(space)
    codes = space.genome.sample(20, np.random.default_rng(0))
    found = features(codes)
    assert found.shape == (20, features.width) == (20, sum(features.groups))
    np.testing.assert_array_equal(found[7:8], features(codes[7:8]))
    assert features(codes[:0]).shape == (0, features.width)


def test_counts_are_those_of_the_layers_that_an_arch_lowers_to():
    space = load_space("autoformer-mini")
    features = NetworkFeatures(space)
    codes = space.genome.sample(5, np.random.default_rng(0))
    for row, arch in zip(features(codes), space.decode(codes), strict=True):
        layers = [(spec.kind, count_layer(spec)) for spec in space.lower(arch)]
        kinds = sorted({spec.kind for spec in space.lowering.specs})
        params = [sum(c.num_params for kind, c in layers if kind == k) / 1e6 for k in kinds]
        macs = [sum(c.macs for kind, c in layers if kind == k) / 1e6 for k in kinds]
        total = [sum(params), sum(macs)]
        np.testing.assert_allclose(row[-features.groups[-1] :], [*params, *macs, *total, *np.log(total)])


@pytest.mark.parametrize("name", SPACES.names())
def test_different_archs_differ_in_features(name):
    space = load_space(name)
    codes = np.unique(space.genome.sample(300, np.random.default_rng(0)), axis=0)
    found = Features(space)(codes)
    assert found.shape == (len(codes), Features(space).width)
    assert len(np.unique(found, axis=0)) == len(codes)


def test_sums_and_products_are_those_of_the_gene_values():
    space = load_space("autoformer-mini")
    arch = space.arch(width=64, depth=3, mlp_ratio=[2.0, 3.0, 4.0], heads=[2, 2, 4])
    found = FeaturesAndProducts(space)(space.encode([arch]))[0]
    width, depth, ratios, heads = 64.0, 3.0, 9.0, 8.0
    sums = [width, depth, ratios, heads]
    products = [a * b for i, a in enumerate(sums) for b in sums[i:]]
    np.testing.assert_array_equal(found[-14:], sums + products)


def test_a_block_that_is_off_is_a_feature_of_its_own():
    space = load_space("autoformer-mini")
    shallow, deep = (space.arch(width=48, depth=d, mlp_ratio=[2.0] * d, heads=[2] * d) for d in (3, 4))
    a, b = Features(space)(space.encode([shallow, deep]))
    offset = 4 + 5 + 3 * 4  # width (3 choices and its value), depth, and three blocks that are always there
    np.testing.assert_array_equal(a[offset : offset + 5], [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(b[offset : offset + 5], [1, 0, 0, 0, 2.0])
