import numpy as np
import pytest

from vitnas.latency_lut.assemble import layer_counts, work_of
from vitnas.latency_lut.calibration import Calibration
from vitnas.latency_lut.residual import Layers, fit_residual
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
SPECS = SPACE.lowering.specs
RNG = np.random.default_rng(0)
COUNTS = layer_counts(SPACE, SPACE.genome.sample(130, RNG))
LAYERS = Layers(SPECS, work_of(SPACE), RNG.uniform(0.1, 1.0, len(SPECS)))
FIT, TEST = slice(0, 30), slice(30, None)


def error(found, truth_ms):
    predicted = found.calibration(COUNTS @ LAYERS.alone_ms) + COUNTS @ found.layers_ms
    return np.abs(predicted / truth_ms - 1)[TEST].mean()


def test_counts_are_those_of_the_blueprints():
    codes = SPACE.genome.sample(20, np.random.default_rng(1))
    for row, arch in zip(layer_counts(SPACE, codes), SPACE.decode(codes), strict=True):
        layers = list(SPACE.lower(arch))
        assert row.tolist() == [layers.count(spec) for spec in SPECS]


@pytest.mark.parametrize("what", ["kind", "traffic", "layer"])
def test_what_layers_cost_only_in_networks_is_found(what):
    dear = {"attention": 1.6, "feed_forward": 0.8}
    factor = np.array([dear.get(spec.kind, 1.0) for spec in SPECS])
    truth = factor * LAYERS.alone_ms
    if what == "traffic":
        truth += np.array([1e-4 * spec.in_shape[-1] * (spec.kind == "feed_forward") for spec in SPECS])
    if what == "layer":
        truth *= np.array([1.2 if spec.kind == "feed_forward" and spec["hidden"] > 200 else 1.0 for spec in SPECS])
    measured = 0.3 + COUNTS @ truth
    measured *= np.random.default_rng(2).normal(1, 0.002, len(measured))
    line = Calibration.fit((COUNTS @ LAYERS.alone_ms)[FIT], measured[FIT])
    found = fit_residual(COUNTS[FIT], LAYERS, measured[FIT])
    assert found.calibration.terms
    plain = np.abs(line(COUNTS @ LAYERS.alone_ms) / measured - 1)[TEST].mean()
    assert error(found, measured) < min(0.4 * plain, 0.006)


@pytest.mark.parametrize("seed", range(5))
def test_noise_alone_is_hardly_explained(seed):
    rng = np.random.default_rng(seed)
    truth = 0.3 + 1.2 * COUNTS @ LAYERS.alone_ms
    measured = truth * rng.normal(1, 0.03, len(truth))
    plain = Calibration.fit((COUNTS @ LAYERS.alone_ms)[FIT], measured[FIT])
    found = fit_residual(COUNTS[FIT], LAYERS, measured[FIT])
    best = np.abs(plain(COUNTS @ LAYERS.alone_ms) / truth - 1)[TEST].mean()
    assert error(found, truth) < best + 0.015


def test_networks_left_out_are_predicted_without_themselves():
    measured = 0.3 + COUNTS[FIT] @ LAYERS.alone_ms
    measured[7] *= 3
    found = fit_residual(COUNTS[FIT], LAYERS, measured, "kind")
    others = np.delete(np.arange(30), [7, 27])  # the fold of 7
    assert found.left_out_ms[7] < 0.6 * measured[7]
    assert found.left_out_ms[others] == pytest.approx(measured[others], rel=0.2)


def test_two_networks_give_a_line_and_no_residual():
    found = fit_residual(COUNTS[:2], LAYERS, np.array([1.0, 2.0]))
    assert not found.layers_ms.any()
    assert found.calibration.terms == ()
