"""A given network becomes a family at once, and a faster network in rounds; both go on where they stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vitnas.api.families import family, prune
from vitnas.automation.pruning.given_run import space_of
from vitnas.automation.pruning.settings import FamilySettings, PruneSettings
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SearchError, SettingsError, VitnasError
from vitnas.files import read_json
from vitnas.latency_lut.table import LatencyTable
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

pytestmark = pytest.mark.heavy

SPACE = """name = "small"
extends = "autoformer-mini"

[only]
width = [48]
depth = [3]
heads = [3]
mlp_ratio = [3.0]
"""


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The arch file of a run of one network, trained for seconds."""
    from vitnas.search_spaces import Task, load_space

    folder = tmp_path_factory.mktemp("given")
    (folder / "small.toml").write_text(SPACE)
    task = Task(image_size=8, num_classes=10, in_channels=1)
    settings = TrainSettings(steps=60, sampler="single", evaluate_every=1000, loggers=(), threads=1)
    run = start_run(folder / "run", load_space(str(folder / "small.toml"), task), "digits", settings)
    train(run, progress=False)
    (run.path / "arch.json").write_text(json.dumps(run.space.largest().to_json()))
    return run.path / "arch.json"


@pytest.fixture(scope="module")
def found(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of its family for an estimated phone."""
    path = tmp_path_factory.mktemp("family") / "run"
    family(str(given), "digits", "iphone12", FamilySettings(evaluations=6), path=path)
    return path


def test_the_front_ends_with_the_given_network(given: Path, found: Path) -> None:
    run, theirs = RunFolder.open(found), RunFolder.open(given.parent)
    whole = run.space.largest()
    dataset = dataset_of(run)
    own = cut_out(load_supernet(run), whole, dataset.train)
    other = cut_out(load_supernet(theirs), theirs.space.largest(), dataset_of(theirs).train)
    x = dataset.val.all()[0]
    assert torch.allclose(own(x), other(x), atol=1e-4)
    points = read_json(found / "search-iphone12" / "front.json")["points"]
    accuracy = evaluate(own, dataset.val).accuracy
    assert max(point["objectives"]["accuracy"] for point in points) >= accuracy - 1e-9
    assert len(points) > 1
    costs = LatencyTable.read(run.latency_file("iphone12")).latency_ms(run.space)
    assert costs(run.space.encode([whole]))[0] == pytest.approx(
        max(costs(run.space.encode([Arch.from_json(point["arch"]) for point in points] + [whole])))
    )


def test_it_goes_on_and_refuses_another_network(given: Path, found: Path) -> None:
    front = (found / "search-iphone12" / "front.json").read_bytes()
    family(str(given), "digits", "iphone12", FamilySettings(evaluations=6), path=found)
    assert (found / "search-iphone12" / "front.json").read_bytes() == front
    with pytest.raises(SettingsError, match="init_order = 'output_error', not 'dimap'; give another folder"):
        family(str(given), "digits", "iphone12", FamilySettings(evaluations=6, order="dimap"), path=found)


def test_a_family_of_ranks_ends_with_the_given_network_too(given: Path, tmp_path: Path) -> None:
    how = FamilySettings(evaluations=4, shrinks="ranks")
    family(str(given), "digits", "iphone12", how, path=tmp_path / "run")
    run, theirs = RunFolder.open(tmp_path / "run"), RunFolder.open(given.parent)
    assert run.space.name.startswith("prune+rank:")
    assert {gene.name for gene in run.space.all_genes if "ffn" in gene.name} == {f"block{i}_ffn.rank" for i in range(3)}
    dataset = dataset_of(run)
    own = cut_out(load_supernet(run), run.space.largest(), dataset.train)
    other = cut_out(load_supernet(theirs), theirs.space.largest(), dataset_of(theirs).train)
    x = dataset.val.all()[0]
    assert torch.allclose(own(x), other(x), atol=1e-3)
    half = run.space.arch(**dict(run.space.largest().genes) | {f"block{i}_ffn.rank": 24 for i in range(3)})
    lower = cut_out(load_supernet(run), half, dataset.train)
    assert 0 < (lower(x) - own(x)).square().mean() < 0.05 * own(x).var()
    with pytest.raises(
        SettingsError, match=r"is a run of space 'prune\+rank:.*', not of 'prune:.*'; give another folder"
    ):
        family(str(given), "digits", "iphone12", FamilySettings(evaluations=4), path=tmp_path / "run")


def test_training_goes_on_from_a_family(found: Path) -> None:
    run = RunFolder.open(found)
    before = load_supernet(run).state_dict()
    assert not train(run, progress=False, until=1)
    (found / "moments.safetensors").unlink()  # measured on the weights before
    after = load_supernet(run).state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_rounds_reach_the_limit_and_are_not_done_again(given: Path, tmp_path: Path) -> None:
    settings = PruneSettings(rounds=2)
    how = {"settings": settings, "exporting": ExportSettings(formats=("torch",)), "path": tmp_path / "pruned"}
    whole_ms = LatencyTable.read(_table(given, tmp_path)).latency_ms(RunFolder.open(tmp_path / "whole").space)
    space = RunFolder.open(tmp_path / "whole").space
    limit = 0.92 * float(whole_ms(space.encode([space.largest()]))[0])
    result = prune(str(given), "digits", {"iphone12": limit}, **how)
    first, middle, last = result.rounds
    assert first.latency_ms > middle.latency_ms > last.latency_ms
    assert last.latency_ms <= limit
    assert first.num_params > last.num_params
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "pruned").glob("round-*/**/*.safetensors")}
    again = prune(str(given), "digits", {"iphone12": limit}, **how)
    assert again.rounds == result.rounds
    assert made == {file: file.stat().st_mtime_ns for file in (tmp_path / "pruned").glob("round-*/**/*.safetensors")}
    with pytest.raises(SearchError, match="as it is, so there is nothing to remove; give a lower limit"):
        prune(str(given), "digits", {"iphone12": 1e3}, settings, path=tmp_path / "other")


def _table(given: Path, folder: Path) -> Path:
    family(str(given), "digits", "iphone12", FamilySettings(evaluations=2), path=folder / "whole")
    return RunFolder.open(folder / "whole").latency_file("iphone12")


@pytest.mark.parametrize(
    ("init", "name"),
    [
        ("timm:deit_tiny_patch16_224", "prune:timm:deit_tiny_patch16_224"),
        ("timm:deit_tiny_patch16_224@w.safetensors", "prune:timm:deit_tiny_patch16_224"),
        ("runs/a/arch.json", "prune:runs/a/arch.json"),
    ],
)
def test_the_space_of_a_network(init: str, name: str) -> None:
    assert space_of(init) == name
    assert space_of(init, "prune+rank") == name.replace("prune", "prune+rank", 1)


def test_weights_alone_say_no_network(tmp_path: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"")
    with pytest.raises(SettingsError, match="does not say which network it is; give timm:NAME, timm:NAME@"):
        space_of(str(file))
    with pytest.raises(VitnasError, match="no device named 'phone'"):
        family("timm:deit_tiny_patch16_224", "digits", "phone")
