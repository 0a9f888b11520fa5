"""Sensitivities add up to what mixed precisions do, and tell predictors and searchers which layers bear few bits."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from vitnas.errors import ForeignFilesError
from vitnas.nas import sensitivity
from vitnas.nas.learned import importance_of
from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.searchers import SEARCHERS
from vitnas.nas.searchers.linas import Linas
from vitnas.nas.sensitivity import _covering, measure_sensitivities, sensitivities_of
from vitnas.nas.settings import SearchSettings
from vitnas.predictors import PREDICTORS
from vitnas.run import RunFolder
from vitnas.search_spaces import Task, load_space
from vitnas.search_spaces.compressed import compressed
from vitnas.search_spaces.covering import layers_in
from vitnas.search_spaces.precision_genes import WEIGHTLESS
from vitnas.search_spaces.pruned.given import GivenArch
from vitnas.search_spaces.pruned.pruned_space import pruned
from vitnas.search_spaces.stitched.stitched_space import stitched
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.precision.sensitivity import layer_sensitivities, mean_divergence
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.checkpoints import load_supernet

MENU = ("w8a8", "w4a4", "w3a8")


@pytest.fixture(scope="module")
def net(trained):
    return load_supernet(trained)


@pytest.fixture(scope="module")
def train(trained):
    return dataset_of(trained).train


@pytest.fixture(scope="module")
def space(trained):
    return compressed(trained.space, MENU)


@pytest.fixture(scope="module")
def sensitivities(net, space, train):
    return measure_sensitivities(net, space, train)


def policies(space, num: int, seed: int = 0) -> np.ndarray:
    """The largest arch of the base at random precisions."""
    rng = np.random.default_rng(seed)
    base = space.base.largest()
    sites = [site for site, _ in space.base.lower(base).items() if site in space.columns_at]
    return space.encode(
        [space.compress(base, {site: str(rng.choice(space.menu)) for site in sites}) for _ in range(num)]
    )


def test_their_sum_ranks_as_the_true_divergence(net, space, train, sensitivities):
    codes = policies(space, 25)
    x = train.sample(128).all()[0]
    network = cut_out(net, space.base.largest(), train).eval()
    with torch.no_grad():
        expected = network(x)
        true = [mean_divergence(expected, cut_out(net, arch, train, space=space)(x)) for arch in space.decode(codes)]
    assert spearmanr(sensitivities.sums()(codes), true).statistic > 0.9


def test_float_adds_nothing_and_fewer_bits_more(space, sensitivities):
    base, sums = space.base.largest(), sensitivities.sums()
    values = sums(space.encode([space.compress(base, name) for name in ("float", "w8a8", "w4a4")]))
    assert values[0] == 0
    assert 0 < values[1] < values[2] / 10
    for one in sensitivities.found.values():
        assert set(one.rounded) == set(MENU)
        assert 0 <= one.share("w8a8") <= one.share("w4a4") <= 1


def test_importance_of_float_is_that_of_the_base(trained, space, sensitivities):
    importance = importance_of(trained, trained.space, SearchSettings(searcher="slimming"))
    weighed = sensitivities.weighing(importance)
    archs = [trained.space.smallest(), trained.space.largest()]
    float_ones = space.encode([space.compress(arch) for arch in archs])
    assert np.allclose(weighed(float_ones), importance(trained.space.encode(archs)))
    rounded = space.encode([space.compress(arch, "w4a4") for arch in archs])
    assert (weighed(rounded) < weighed(float_ones)).all()


@pytest.mark.parametrize("searcher", ["slimming", "programme"])
def test_searchers_that_weigh_importance_choose_precisions(trained, space, searcher):
    importance = importance_of(trained, space, SearchSettings(searcher=searcher))
    bits = {name: float(name[1]) if name != "float" else 32.0 for name in space.menu}

    def bytes_of(codes: np.ndarray) -> np.ndarray:
        return np.array(
            [
                sum(bits[spec.precision] * 1e-3 * spec.in_shape[-1] for spec in space.lower(arch))
                for arch in space.decode(codes)
            ]
        )

    problem = Problem(
        space, objectives_named(["accuracy", "weight_bytes"]), {"weight_bytes": bytes_of}, importance=importance
    )
    searcher = SEARCHERS.load(searcher)(problem, 0)
    found = space.decode(searcher.ask(12))
    assert len({spec.precision for arch in found for spec in space.lower(arch)}) > 1


@pytest.mark.parametrize("name", ["ridge", "gp", "mlp", "auto"])
def test_predictors_read_the_sum(space, sensitivities, name):
    sums = sensitivities.sums()
    codes = policies(space, 24, seed=1)
    unseen = policies(space, 40, seed=2)
    scores = -np.sqrt(sums(codes))
    plain = PREDICTORS.load(name)(space).fit(codes, scores).predict(unseen).mean
    told = PREDICTORS.load(name)(space).reading(sums).fit(codes, scores).predict(unseen).mean
    rank = [spearmanr(each, -sums(unseen)).statistic for each in (plain, told)]
    assert rank[1] > 0.9
    assert rank[1] >= rank[0]


def test_linas_reads_what_the_problem_weighs(trained, space):
    importance = importance_of(trained, space, SearchSettings())
    assert importance is not None
    assert importance_of(trained, trained.space, SearchSettings()) is None
    problem = Problem(space, objectives_named(["accuracy"]), importance=importance)
    codes = policies(space, 20)
    asked = []
    for one in (problem, problem.weighing(None)):
        searcher = Linas(one, 0, generations=3, predictor=PREDICTORS.load("ridge"))
        searcher.tell(codes, -importance(codes)[:, None])
        asked.append(searcher.ask(8))
    mean = [float(importance(each).mean()) for each in asked]
    assert mean[0] > np.median(importance(codes))
    assert not np.array_equal(asked[0], asked[1])


def test_a_supernet_of_the_compressed_space_itself_is_looked_at_alike(net, space, train, sensitivities):
    own = Supernet(space).eval()
    own.load_state_dict(net.state_dict())
    found = measure_sensitivities(own, space, train)
    assert found.found.keys() == sensitivities.found.keys()
    table = sensitivities.sums().table
    assert np.allclose(found.sums().table, table, rtol=1e-3, atol=1e-6 * table.max())


def test_what_is_known_is_not_measured_again_and_another_precision_alone_is(trained, net, train, tmp_path, monkeypatch):
    run = RunFolder(shutil.copytree(trained.path, tmp_path / "run"))
    run.sensitivities_file.unlink(missing_ok=True)  # of the tests before
    asked: list[set[str]] = []

    def counted(network, menu, *how):
        asked.append({precision.name for each in menu.values() for precision in each})
        return layer_sensitivities(network, menu, *how)

    monkeypatch.setattr(sensitivity, "layer_sensitivities", counted)
    said: list[str] = []
    two, three = (compressed(run.space, menu) for menu in (("w4a4",), ("w4a4", "w8a8")))
    first = sensitivities_of(run, net, two, train, said.append)
    assert asked == [{"w4a4"}] * len(asked)
    assert said == [f"sensitivities of {len(first.found)} layers are measured: '{run.sensitivities_file}'"]
    before = len(asked)
    assert sensitivities_of(run, net, two, train, said.append).found == first.found
    assert (len(asked), len(said)) == (before, 1)
    more = sensitivities_of(run, net, three, train, said.append)
    assert asked[before:] == [{"w8a8"}] * before
    assert all(more.found[layer].rounded["w4a4"] == one.rounded["w4a4"] for layer, one in first.found.items())
    assert more.found.keys() == measure_sensitivities(net, three, train).found.keys()
    before = len(asked)
    np.testing.assert_array_equal(sensitivities_of(run, net, three, train).sums().table, more.sums().table)
    assert len(asked) == before
    sensitivities_of(run, net, two, train.only(np.arange(200)))  # other images
    assert len(asked) > before
    before = len(asked)
    run.sensitivities_file.write_bytes(run.sensitivities_file.read_bytes()[:-40])
    assert sensitivities_of(run, net, two, train).found == first.found
    assert len(asked) > before
    run.sensitivities_file.write_text("mine")
    with pytest.raises(ForeignFilesError, match="record of sensitivities"):
        sensitivities_of(run, net, two, train)
    assert run.sensitivities_file.read_text() == "mine"


def test_layers_that_the_largest_arch_lacks_are_looked_at_too():
    """Maps stand where a layer is left out, and a route through two networks passes few layers."""
    base = load_space("autoformer-mini", Task(8, 10, 1))
    given = [GivenArch("a", base, base.smallest()), GivenArch("b", base, base.largest())]
    for of_given in (pruned(given[1], "prune+map"), stitched(*given)):
        space = of_given.compressed(["w4"])
        wanted = {
            (site, spec.kind)
            for site, specs in space.base.lowering.specs_at().items()
            for spec in specs
            if site in space.columns_at and spec.kind not in WEIGHTLESS
        }
        seen = {layer for arch in _covering(space.base, wanted) for layer in layers_in(space.base, arch)}
        assert wanted <= seen
        assert list(_covering(space.base, set())) == []
