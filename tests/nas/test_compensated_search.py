"""A search of a run whose archs are compensated, by an integer programme; what follows it sees the same networks."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitnas.errors import SearchError, UnknownNameError
from vitnas.nas.run_search import SearchRequest, start_search
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import evaluate_arch
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


def test_an_unknown_importance_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no importance named 'activations'.*'activation'"):
        SearchSettings(importance="activations")
