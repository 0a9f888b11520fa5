"""Two networks become a run of their routes, which is searched, trained and exported like any other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from vitnas.api.exporting import export
from vitnas.api.families import family, prune
from vitnas.api.training import resume
from vitnas.automation.pruning.given_run import space_of
from vitnas.automation.pruning.settings import FamilySettings
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SettingsError
from vitnas.files import read_json
from vitnas.nas.pareto.front import ParetoFront
from vitnas.run import RunFolder
from vitnas.search_spaces import Stitched, Task, load_space
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.beginning import begin
from vitnas.supernets.training.train import start_run
from vitnas.supernets.weights.checkpoints import load_supernet

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def init(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two networks whose weights are drawn."""
    task = Task(image_size=8, num_classes=10, in_channels=1)
    space = load_space("autoformer-mini", task).restrict(width=(48, 64), depth=(3, 4))
    folder = tmp_path_factory.mktemp("given") / "run"
    run = start_run(folder, space, "digits", TrainSettings(steps=6, batch_size=16, loggers=(), threads=1))
    begin(run)
    for name, arch in (("a", space.smallest()), ("b", space.largest())):
        (folder / f"{name}.json").write_text(json.dumps(arch.to_json()))
    return f"stitch:{folder}/a.json+{folder}/b.json"


@pytest.fixture(scope="module")
def found(init: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("family") / "run"
    train = TrainSettings(steps=6, batch_size=16, loggers=(), threads=1, sampler="constrained")
    family(init, "digits", "iphone12", FamilySettings(evaluations=8), train=train, path=path)
    return path


def test_all_routes_are_evaluated_where_that_is_asked_for(init: str, found: Path) -> None:
    run = RunFolder.open(found)
    assert isinstance(run.space, Stitched)
    assert run.config["train"]["init"] == init
    front = ParetoFront.load(found / "search-iphone12" / "front.json", run.space)
    assert front.points
    assert "8 evaluated, 0 failed" in (found / "search-iphone12" / "search.log").read_text()


def test_fewer_evaluations_have_both_networks_and_routes_between(init: str, tmp_path: Path) -> None:
    result = family(init, "digits", "iphone12", FamilySettings(evaluations=4), path=tmp_path / "run")
    evaluated = ParetoFront.load(result.folder / "front.json").points
    assert 1 <= len(evaluated) <= 4
    assert "4 evaluated" in (result.folder / "search.log").read_text()


def test_a_route_is_trained_on_and_exported(found: Path, tmp_path: Path) -> None:
    resume(found)
    space = RunFolder.open(found).space
    assert isinstance(space, Stitched)
    arch = space.arch(route="A1-B2-A")
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    report = export(found, tmp_path / "arch.json", tmp_path / "out", ExportSettings(formats=("torch",)))
    assert report["arch"]["genes"] == {"route": "A1-B2-A"}
    program = torch.export.load(tmp_path / "out" / "torch" / "model.pt2").module(check_guards=False)
    x = torch.randn(2, 1, 8, 8)
    expected = load_supernet(RunFolder.open(found)).eval()(x, arch)
    torch.testing.assert_close(program(x), expected, rtol=1e-3, atol=1e-3)
    again = load_space(f"prune:{tmp_path / 'out' / 'arch.json'}")
    assert "stitch" in {spec.kind for spec in again.lower(again.largest())}


def test_the_names_of_both_networks_make_that_of_their_space(init: str, found: Path) -> None:
    two = "stitch:timm:deit_tiny_patch16_224@w.safetensors+timm:deit_small_patch16_224"
    assert space_of(two) == "stitch:timm:deit_tiny_patch16_224+timm:deit_small_patch16_224"
    assert space_of(init) == init
    assert RunFolder.open(found).space.name.startswith("stitch:autoformer-mini/")
    assert read_json(found / "space.json")["prefix"] == "stitch"


def test_two_networks_are_not_pruned_in_rounds(init: str) -> None:
    with pytest.raises(SettingsError, match="rounds remove what one network has; give one"):
        prune(init, "digits", {"iphone12": 0.1})
