"""A given network becomes a family at once, and a faster network in rounds; both go on where they stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from vitnas.api.families import alike, family, prune
from vitnas.automation.pruning.given_run import space_of
from vitnas.automation.pruning.settings import FamilySettings, PruneSettings
from vitnas.cli import main
from vitnas.deployment.finetuning import finetuned
from vitnas.deployment.settings import ExportSettings
from vitnas.errors import SearchError, SettingsError, VitnasError
from vitnas.files import read_json
from vitnas.latency_lut.table import LatencyTable
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.data import DataSettings, dataset_of
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
    [whole_ms] = costs(run.space.encode([whole]))
    best = max(points, key=lambda point: point["objectives"]["accuracy"])
    assert costs(run.space.encode([Arch.from_json(best["arch"])]))[0] <= whole_ms


def test_it_goes_on_and_refuses_another_network(given: Path, found: Path) -> None:
    front = (found / "search-iphone12" / "front.json").read_bytes()
    family(str(given), "digits", "iphone12", FamilySettings(evaluations=6), path=found)
    assert (found / "search-iphone12" / "front.json").read_bytes() == front
    with pytest.raises(SettingsError, match="init_order = 'output_error', not 'dimap'; give another folder"):
        family(str(given), "digits", "iphone12", FamilySettings(evaluations=6, order="dimap"), path=found)


@pytest.mark.parametrize(
    ("data", "settings", "why"),
    [
        (
            DataSettings("digits", val_share=0.3),
            FamilySettings(evaluations=6),
            r"\[data\] val_share = 0\.2, not 0\.3",
        ),
        (
            DataSettings("digits"),
            FamilySettings(evaluations=6, compensate=False),
            "compensate is false, but archs of run",
        ),
    ],
    ids=["images", "compensation"],
)
def test_another_question_is_refused_in_the_folder_of_a_family(given, found, data, settings, why) -> None:
    with pytest.raises(VitnasError, match=why):
        family(str(given), data, "iphone12", settings, path=found)


def test_refining_adds_as_many_networks_as_were_asked_for(given: Path, found: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    plain = family(str(given), "digits", "iphone12", FamilySettings(evaluations=6), path=path)
    known = len(plain.front.points)
    family(str(given), "digits", "iphone12", FamilySettings(evaluations=6, refine=3), path=path)
    assert pq.read_table(path / "search-iphone12" / "evaluations.parquet").num_rows == known + 3


def test_within_a_limit_no_network_above_it_is_evaluated(given: Path, found: Path) -> None:
    run = RunFolder.open(found)
    line = alike(run, ["iphone12"], {}, 20)
    cost = LatencyTable.read(run.latency_file("iphone12")).latency_ms(run.space)
    whole_ms = float(cost(run.space.encode(line)).max())
    assert cost(run.space.encode([run.space.largest()]))[0] == whole_ms
    below = alike(run, ["iphone12"], {"latency_ms": 0.9 * whole_ms}, 20)
    assert below
    assert cost(run.space.encode(below)).max() <= 0.9 * whole_ms
    assert alike(run, ["iphone12"], {"latency_ms": 1e-9}, 20) == []


def test_names_and_limits_are_checked_before_any_work(given: Path, tmp_path: Path) -> None:
    for settings in (FamilySettings, PruneSettings):
        with pytest.raises(VitnasError, match="no importance named 'tailor'.*Did you mean 'taylor'"):
            settings(importance="tailor")
    with pytest.raises(VitnasError, match="no importance named 'tailor'"):
        FamilySettings(order="tailor")
    with pytest.raises(
        SettingsError, match=r"\[family\] shrinks is 'ranks', but of the two networks of stitch:a\+b nothing"
    ):
        family("stitch:a+b", "digits", "cpu", FamilySettings(shrinks="ranks"), path=tmp_path / "run")
    with pytest.raises(SearchError, match="name at least one, each once"):
        family(str(given), "digits", ["cpu", "cpu"], path=tmp_path / "run")
    for limits in ({"cpu": 1.0, "iphone12": 2.0}, {"cpu": -1.0}, {}):
        with pytest.raises(SettingsError, match="give the milliseconds of one device"):
            prune(str(given), "digits", limits, path=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_commands(
    given: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = ["--init", str(given), "--data", "digits", "--device", "iphone12"]
    path = tmp_path / "family"
    monkeypatch.setattr(sys, "argv", ["vitnas", "family", *shared, "--evaluations", "4", "--out", str(path), "--json"])
    with pytest.raises(SystemExit, match="0"):
        main()
    front = json.loads(capsys.readouterr().out)
    slowest = max(point["objectives"]["latency_ms"] for point in front["points"])
    assert (path / "search-iphone12" / "front.json").is_file()
    limit = [
        "--latency",
        f"{0.95 * slowest}ms",
        "--rounds",
        "1",
        "--format",
        "torch",
        "--out",
        str(tmp_path / "pruned"),
    ]
    monkeypatch.setattr(sys, "argv", ["vitnas", "prune", *shared, *limit])
    with pytest.raises(SystemExit, match="0"):
        main()
    told = capsys.readouterr().out
    assert "given" in told
    assert str(tmp_path / "pruned" / "network") in told


def test_a_network_of_a_family_is_tuned_from_what_the_family_hands_out(found: Path) -> None:
    """At a rate of next to nothing it stays that."""
    run = RunFolder.open(found)
    net, arch = load_supernet(run), uniform_line(run.space)[-2]
    compensated, plain = net.extract(arch).state_dict(), net.uncompensated(arch).state_dict()
    tuned = finetuned(run, arch, ExportSettings(finetune=1, finetune_rate=1e-9)).state_dict()
    assert any(not torch.allclose(plain[name], tensor, atol=1e-3) for name, tensor in compensated.items())
    assert all(torch.allclose(tuned[name], tensor, atol=1e-4) for name, tensor in compensated.items())


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


def test_maps_stand_in_for_layers_of_a_family_where_their_time_pays(given: Path, tmp_path: Path) -> None:
    how = FamilySettings(evaluations=6, maps=True)
    found = family(str(given), "digits", "iphone12", how, path=tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    assert run.space.name.startswith("prune+map:")
    net, x = load_supernet(run), dataset_of(run).val.all()[0]
    genes = {name: value for name, value in run.space.largest().genes if not name.startswith("block1_ffn.")}
    plain, mapped = (run.space.arch(**genes, **{"block1_ffn.hidden": 0, "block1_ffn.map": on}) for on in (False, True))
    assert set(run.space.lower(mapped).sites) - set(run.space.lower(plain).sites) == {"block1_ffn_map"}
    with torch.no_grad():
        whole, without, with_map = (net.extract(a).eval()(x) for a in (run.space.largest(), plain, mapped))
    assert (with_map - whole).square().mean() < 0.6 * (without - whole).square().mean()
    assert run.space.largest() in [point.arch for point in found.front.points]


def test_maps_and_ranks_are_not_had_together() -> None:
    with pytest.raises(SettingsError, match="false where shrinks is 'ranks'"):
        FamilySettings(maps=True, shrinks="ranks")


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
    with pytest.raises(SearchError, match="give a higher limit"):
        prune(str(given), "digits", {"iphone12": 1e-6}, **how)
    result = prune(str(given), "digits", {"iphone12": limit}, **how)  # a question that found no answer is no obstacle
    first, middle, last = result.rounds
    assert first.latency_ms > middle.latency_ms > last.latency_ms
    assert last.latency_ms <= limit
    assert first.num_params > last.num_params
    made = {file: file.stat().st_mtime_ns for file in (tmp_path / "pruned").glob("*/**/*.safetensors")}
    again = prune(str(given), "digits", {"iphone12": limit}, **how)
    assert again.rounds == result.rounds
    assert made == {file: file.stat().st_mtime_ns for file in (tmp_path / "pruned").glob("*/**/*.safetensors")}
    with pytest.raises(SettingsError, match=r"answers another question, which differs in limit\.latency_ms"):
        prune(str(given), "digits", {"iphone12": 0.9 * limit}, **how)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds other files than a pruning's; choose another folder"):
        prune(str(given), "digits", {"iphone12": limit}, **{**how, "path": tmp_path / "mine"})
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
