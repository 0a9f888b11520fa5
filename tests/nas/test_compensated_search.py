"""A search of a run whose archs are compensated, by an integer programme; what follows it sees the same networks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vitnas.errors import SearchError, SettingsError, UnknownNameError
from vitnas.nas.run_search import SearchRequest, start_search
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.weights.checkpoints import load_supernet

pytestmark = pytest.mark.heavy

SETTINGS = SearchSettings(
    evaluations=5, initial=2, batch=3, predictor="none", searcher="programme", importance="output_error",
    compensate=True, torch_device="cpu",
)  # fmt: skip


@pytest.fixture
def run(trained: RunFolder, tmp_path: Path) -> RunFolder:
    shutil.copytree(trained.path, tmp_path / "run")
    return RunFolder.open(tmp_path / "run")


@torch.no_grad()
def test_search_evaluation_and_what_is_cut_out_are_of_one_network(run: RunFolder) -> None:
    said: list[str] = []
    plain = load_supernet(run)
    result = start_search(SearchRequest(("phone",), run), SETTINGS, said.append, progress=False)
    assert any("archs are compensated for what they lack, by 512 images" in line for line in said)
    assert result.front.config["origin"]["supernet"].endswith(", compensated")
    net, dataset = load_supernet(run), dataset_of(run)
    assert net.compensation is not None
    small, x = run.space.smallest(), dataset.val.sample(8).all()[0]
    assert torch.equal(net(x, small), net.extract(small)(x))
    assert (net(x, small) != plain(x, small)).any()
    assert SupernetScore.of(run)(small)["loss"] == pytest.approx(evaluate_arch(net, small, dataset).loss)
    for point in result.front.points:
        assert point.objectives["accuracy"] == pytest.approx(evaluate_arch(net, point.arch, dataset).accuracy)
    written = run.moments_file.read_bytes()
    start_search(SearchRequest(("phone",), run), SETTINGS, said.append, progress=False)
    assert run.moments_file.read_bytes() == written
    with pytest.raises(SearchError, match="compensate is false, but archs of run .* delete"):
        start_search(SearchRequest(("phone",), run), replace(SETTINGS, compensate=False), said.append, progress=False)


REFUSED = {
    "a limit": ({"limits": {"latency_ms": 1e-6}}, "latency_ms <= 1e-06 on device 'phone'"),
    "a sum": ({"limits": {"activation_bytes": 1e9}}, "'activation_bytes' of space .* does not add up over layers"),
    "nothing to evaluate": ({"objectives": ("latency_ms",)}, "all come from tables"),
    "an early stop": ({"objectives": ("loss", "latency_ms"), "stop_early": True}, r"evaluates \['loss'\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refused_search_leaves_the_run_as_it_was(run: RunFolder, case: str) -> None:
    changed, why = REFUSED[case]
    before = sorted(run.path.rglob("*"))
    with pytest.raises(SearchError, match=why):
        start_search(SearchRequest(("phone",), run), replace(SETTINGS, **changed), print, progress=False)
    assert sorted(run.path.rglob("*")) == before


def test_moments_are_those_of_the_run_whatever_search_comes_first(run: RunFolder) -> None:
    quick = replace(SETTINGS, seed=7, evaluations=2, searcher="random", importance="weight_gradient")
    start_search(SearchRequest(("phone",), run), quick, print, progress=False)
    net = load_supernet(run)
    measured = net.compensation
    assert measured is not None
    expected = measure_moments(net, dataset_of(run).train)
    assert measured.products.keys() == expected.products.keys()
    for key, products in measured.products.items():
        for one, other in zip(products, expected.products[key], strict=True):
            assert torch.equal(one.covariance, other.covariance)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"compensate": True, "searcher": "auto"}, "compensate is true, but no supernet of a run judges here"),
        ({"searcher": "programme"}, "programme weighs what a trained supernet has learned, and none judges here"),
    ],
)
def test_what_only_a_supernet_gives_is_refused_where_none_judges(
    changed: dict[str, Any], why: str, tmp_path: Path
) -> None:
    request = SearchRequest(("phone",), space=load_space("autoformer-mini"), folder=tmp_path / "search")
    with pytest.raises(SearchError, match=why):
        start_search(request, SearchSettings(**changed), print, progress=False)
    assert not request.folder.exists()


def test_an_importance_that_nothing_weighs_is_refused() -> None:
    with pytest.raises(
        SettingsError, match=r"\[search\] importance must be left out where searcher is none of programme"
    ):
        SearchSettings(importance="taylor", searcher="nsga2")
    assert SearchSettings(importance="taylor", searcher="slimming").importance == "taylor"


def test_an_unknown_importance_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no importance named 'activations'.*'activation'"):
        SearchSettings(importance="activations")
