"""Archs of a compressed space on the weights of a run: float choices are the uncompressed ones to the bit, others are rounded."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import dataclass

import numpy as np
import pytest

from vitnas.api import fitting
from vitnas.errors import SearchError
from vitnas.nas.execution.executor import SerialExecutor
from vitnas.nas.fit_predictor import PREDICTOR_FILE, FitSettings
from vitnas.nas.learned import rounding_of
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.problem import Problem
from vitnas.nas.scores.finalists import judged_again
from vitnas.nas.scores.predicted import PredictedScore
from vitnas.nas.scores.remembered import remembered
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.predictors import PREDICTORS, load_predictor
from vitnas.reporting.sittings import front_notes
from vitnas.reporting.terminal.fronts import describe_front
from vitnas.run import RunFolder
from vitnas.search_spaces.compressed import compressed
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate_arch
from vitnas.supernets.precision.quantised import QuantisedLayer
from vitnas.supernets.shared_ranges import measure_ranges
from vitnas.supernets.weights.checkpoints import load_supernet, newest_weights


@pytest.fixture(scope="module")
def space(trained):
    return compressed(trained.space, ("w8a8", "w4a4", "w4"), keep=())


@pytest.fixture(scope="module")
def said() -> list[str]:
    return []


@pytest.fixture(scope="module")
def score(trained, space, said):
    return SupernetScore.of(trained, space=space, say=said.append)


def test_float_is_the_plain_arch_to_the_bit(trained, space, score):
    plain = trained.space.smallest()
    assert score(space.compress(plain)) == SupernetScore.of(trained)(plain)


def test_less_bits_are_further_off(trained, space, score):
    plain = trained.space.largest()
    losses = [score(space.compress(plain, name))["loss"] for name in ("float", "w8a8", "w4a4")]
    assert 0 < abs(losses[1] - losses[0]) < abs(losses[2] - losses[0])


def test_layers_are_at_their_precisions(trained, space):
    sites = {"block0_ffn": "w4a4", "block1_attention": "w4"}
    arch = space.compress(trained.space.smallest(), sites)
    net, dataset = load_supernet(trained), dataset_of(trained)
    network = cut_out(net, arch, dataset.train, space=space)
    layers = dict(network.named_children())
    found = {site: layer.precision.name for site, layer in layers.items() if isinstance(layer, QuantisedLayer)}
    assert found == sites
    ranges = measure_ranges(net, dataset.train)
    one, other = (evaluate_arch(net, arch, dataset, space, known).loss for known in (None, ranges))
    assert one != other
    assert one == pytest.approx(other, abs=0.05)


def test_ranges_are_measured_once(trained, space, score, said):
    assert len(said) == 1
    assert said[0].startswith("ranges of activations are those of 8 archs on 128 images: ")
    again: list[str] = []
    arch = space.compress(trained.space.smallest(), "w4a4")
    assert SupernetScore.of(trained, space=space, say=again.append)(arch) == score(arch)
    assert again == []
    assert score.for_finalists()(arch) != score(arch)


def test_the_front_of_a_search_has_figures_with_ranges_of_its_own(trained, space, score, tmp_path):
    problem = Problem(
        space, objectives_named(["loss", "bits"]), {"bits": lambda codes: codes.sum(axis=1).astype(float)}
    )
    settings = SearchSettings(evaluations=12, initial=8, searcher="random", predictor="none", loggers=())
    front = search(problem, score, settings, tmp_path, progress=False)
    assert front.config["finalists"] == "judged with ranges of their own"
    careful = score.for_finalists()
    assert [point.objectives["loss"] for point in front.points] == [
        careful(point.arch)["loss"] for point in front.points
    ]
    assert careful.for_finalists() is None
    assert search(problem, score, settings, tmp_path, progress=False).points == front.points


def test_a_finalist_that_cannot_be_judged_again_says_so(space, score, tmp_path):
    @dataclass(frozen=True)
    class Failing:
        """Judges as finalists are judged, and not one of them."""

        careful: SupernetScore
        never: str

        def __call__(self, arch):
            if arch.id == self.never:
                raise RuntimeError("out of memory")
            return self.careful(arch)

        def __str__(self):
            return str(self.careful)

    @dataclass(frozen=True)
    class Shared:
        never: str

        def __call__(self, arch):
            return score(arch)

        def for_finalists(self):
            return Failing(score.for_finalists(), self.never)

    archs = [space.compress(space.base.smallest(), name) for name in ("w8a8", "w4")]
    points = [Point(arch, {"loss": score(arch)["loss"]}, {"loss": "measured"}) for arch in archs]
    front = ParetoFront.of(space, objectives_named(["loss"]), points)
    [kept] = front.points
    again = judged_again(front, space, Shared(kept.arch.id), SerialExecutor())
    assert again.points[0].objectives == kept.objectives
    assert again.points[0].caveat.startswith(
        "its figures are those of the search, as it could not be judged with ranges of their own: RuntimeError: out of memory"
    )
    again.save(tmp_path / "front.json")
    assert ParetoFront.load(tmp_path / "front.json", space).points == again.points
    assert front_notes(again) == [f"arch {kept.arch.id}: {again.points[0].caveat}"]
    assert describe_front(again)["points"][0]["caveat"] == again.points[0].caveat
    assert judged_again(front, space, Shared("none"), SerialExecutor()).points[0].caveat == ""


def test_workers_get_the_same_and_several_together_too(trained, space, score):
    archs = [space.compress(trained.space.smallest(), name) for name in ("w8a8", "w4a4", "w4")]
    expected = [score(arch) for arch in archs]
    assert score.together(archs) == expected
    assert [pickle.loads(pickle.dumps(score))(arch) for arch in archs] == expected


def test_a_predictor_learns_from_a_compressed_space_and_reads_what_rounding_does(trained, space, tmp_path):
    run = RunFolder(shutil.copytree(trained.path, tmp_path / "run"))
    settings = FitSettings(samples=10, predictor="ridge", loggers=())
    fit = fitting.fit_predictor(run, settings, compress=("w8a8", "w4"), simulate=True)
    own = run.space.compressed(("w8a8", "w4"))
    assert fit.space == own.name
    assert len(fit.scores) == 10
    folder = run.path / "predictor-compressed"
    assert not (run.path / "predictor").exists()
    assert fitting.load_fit(run, compressed=True) == fit
    known = remembered(run, {"supernet": newest_weights(run)}, own)
    assert [arch.id for arch in known] == fit.archs
    assert remembered(run, {"supernet": newest_weights(run)}, run.space) == {}
    # What it reads is in its file, and changes what it says.
    read = load_predictor(folder / PREDICTOR_FILE, own)
    rounding = rounding_of(run, own)
    [beside] = read._also
    codes = own.genome.sample(30, np.random.default_rng(0))
    np.testing.assert_array_equal(beside(codes), rounding(codes))
    archs = own.encode(list(known))
    scores = [one["accuracy"] for one in known.values()]
    expected = PREDICTORS.load("ridge")(own).reading(rounding).fit(archs, scores).predict(codes).mean
    np.testing.assert_allclose(read.predict(codes).mean, expected)
    plain = PREDICTORS.load("ridge")(own).fit(archs, scores).predict(codes).mean
    assert not np.allclose(plain, expected)
    assert PredictedScore.read(folder, own)(own.smallest())["accuracy"] == pytest.approx(
        float(read.predict([own.smallest()]).mean[0])
    )
    with pytest.raises(SearchError, match="reads what no file carries"):
        PREDICTORS.load("ridge")(own).reading(lambda codes: codes.sum(axis=1)).fit(archs, scores).save(tmp_path / "p")
