"""From a run to a verified export, as a notebook goes, with the guesses of the command line."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch

import vitnas
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.weights.checkpoints import load_supernet

pytestmark = pytest.mark.heavy  # most of them work for a second or more

FEW = vitnas.SearchSettings(evaluations=8, initial=4, batch=2, population=10, generations=3, measure=False)


@pytest.fixture
def run(trained: vitnas.RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vitnas.RunFolder:
    shutil.copytree(trained.path, tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    return vitnas.load_run("runs/mine")


def test_evaluations_are_those_of_the_supernet(run: vitnas.RunFolder) -> None:
    one = vitnas.evaluate(run, "smallest")
    expected = evaluate_arch(load_supernet(run), run.space.smallest(), dataset_of(run))
    assert (one.accuracy, one.loss) == (expected.accuracy, pytest.approx(expected.loss))
    table = vitnas.load_table(run.latency_file("phone"))
    codes = run.space.encode([one.arch])
    assert one.latency_ms["phone"] == pytest.approx(float(table.latency_ms(run.space)(codes)[0]))
    assert one.test is not None
    several = vitnas.evaluate(None, ["smallest", "largest"])
    assert [each.name for each in several] == ["smallest", "largest"]
    assert several[0] == one


def test_a_search_guesses_the_newest_run_and_says_so(run: vitnas.RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    found = vitnas.search(devices="phone", settings=FEW, progress=True)
    assert "judged by the supernet of 'runs/mine', the newest run below runs/" in capsys.readouterr().err
    assert found.folder == Path("runs/mine/search-phone")
    again = vitnas.load_front(found.folder, run.space)
    assert [p.arch for p in again.points] == [p.arch for p in found.front.points]


def test_a_search_that_has_nothing_to_search_is_refused() -> None:
    from vitnas.nas.run_search import SearchRequest, start_search

    with pytest.raises(vitnas.VitnasError, match="neither a run nor a space to search; give one of the two"):
        start_search(SearchRequest(("iphone12",)), FEW, progress=False)


def test_without_a_run_the_budget_is_smaller(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def noted(request: object, settings: vitnas.SearchSettings, *rest: object) -> None:
        asked.append(settings)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vitnas.api.searching.start_search", noted)
    vitnas.search("autoformer-mini", "iphone12")
    vitnas.search(devices="iphone12")
    vitnas.search("autoformer-mini", "iphone12", vitnas.SearchSettings())
    assert [settings.evaluations for settings in asked] == [80, 80, 200]


def test_a_model_answers_as_the_supernet(run: vitnas.RunFolder) -> None:
    arch = run.space.largest()
    network = vitnas.create_model(run, arch)
    x, _ = dataset_of(run).val.sample(8).all()
    with torch.no_grad():
        assert torch.allclose(network(x), load_supernet(run).eval()(x, arch), atol=1e-5)
    fresh = vitnas.create_model("autoformer-mini", "smallest")
    assert sum(p.numel() for p in fresh.parameters()) == vitnas.count("autoformer-mini", "smallest").num_params


def test_what_is_exported_is_verified_and_loaded_again(run: vitnas.RunFolder) -> None:
    settings = vitnas.ExportSettings(formats=("torch",), measure=False)
    front = vitnas.search(run, "phone", FEW).front
    report = vitnas.export(run, "best", "best", settings, front=front)
    assert report["arch_id"] == front.best().arch.id
    assert list(report["predicted_latency_ms"]) == ["phone"]
    assert report["chosen"].startswith("the least costly arch")
    plain = vitnas.export(run, front.best().arch, "plain", settings)
    assert plain["predicted_latency_ms"] == {}
    (found,) = vitnas.verify("best", measure=False).values()
    assert found["arch_id"] == report["arch_id"]
    x, _ = dataset_of(run).val.sample(8).all()
    with torch.no_grad():
        expected = vitnas.create_model(run, front.best().arch)(x)
        assert torch.allclose(vitnas.load_model("best")(x), expected, atol=1e-5)
    two = dataclasses.replace(front, points=front.points[:2])
    several = vitnas.export_all(run, two, "all", settings)
    assert [one["arch_id"] for one in several] == [point.arch.id for point in two.points]


def test_a_fit_is_read_again(run: vitnas.RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    fit = vitnas.fit_predictor(run, vitnas.FitSettings(samples=14, predictor="ridge"))
    assert vitnas.load_fit(run) == fit
    assert vitnas.load_predictor(run.path / "predictor" / "predictor.safetensors", run.space).space == run.space
    assert capsys.readouterr() == ("", "")  # nothing is printed unless asked for
    with pytest.raises(vitnas.VitnasError, match=r"quantity cannot be 'latency'"):
        vitnas.FitSettings(quantity="latency")


def test_pages_and_pictures(run: vitnas.RunFolder) -> None:
    vitnas.search(run, "phone", FEW)
    assert vitnas.report() == Path("runs/mine/report.html")
    assert vitnas.report(run, "mine.html").read_text().startswith("<!doctype html>")
    assert vitnas.plot(run, out=["front.svg"]) == [Path("front.svg")]
    assert "<svg" in Path("front.svg").read_text()
    vitnas.search(run, "phone", FEW, folder="other")
    compared = vitnas.compare([run.path, "other"])["searches"]
    assert [one["name"] for one in compared] == ["search-phone", "other"]


def test_training_makes_a_run_and_goes_on_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = vitnas.TrainSettings(steps=2, batch_size=16, threads=1, loggers=())
    run = vitnas.train("autoformer-mini", "digits", settings=settings)
    assert run.path == Path("runs/digits-autoformer-mini")
    assert [file.name for file in run.checkpoints.iterdir()] == ["step-00000002"]
    with pytest.raises(vitnas.VitnasError, match="already holds a run"):
        vitnas.train("autoformer-mini", "digits", settings=settings)
    assert vitnas.resume(run) == run
    with pytest.raises(vitnas.VitnasError, match="cannot train with 0 workers"):
        vitnas.train(workers=0)


def test_a_space_profiles_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    table = vitnas.profile("autoformer-mini", "iphone12")
    assert vitnas.load_table("autoformer-mini-iphone12.parquet").rows == table.rows
    with pytest.raises(vitnas.VitnasError, match="names no way to measure"):
        vitnas.profile_elsewhere("autoformer-mini", "board", vitnas.Elsewhere())


def test_a_front_is_held_against_archs_that_nobody_searched_for(run: vitnas.RunFolder) -> None:
    from vitnas.reporting.baselines import read_baselines
    from vitnas.reporting.terminal.fronts import describe_search, plot_search, print_search
    from vitnas.reporting.unsearched import held_against

    found = vitnas.search(run, "phone", dataclasses.replace(FEW, evaluations=12, baselines=2))
    beaten = held_against(found)
    assert {one.name.partition(" ")[0] for one in beaten} == {"uniform", "random"}
    costs = [one.figures["latency_ms"] for one in beaten]
    assert costs == sorted(costs)
    for one in beaten:  # the search evaluated them, so the front is at least as good
        assert one.front is not None
        assert one.front >= one.figures["accuracy"]
    marked = read_baselines(found.folder / "baselines.json")
    assert [one.name for one in marked] == [one.name for one in beaten]
    described = describe_search(found)
    assert len(described["baselines"]) == len(beaten)
    plot_search(found)
    print_search(described)
    with pytest.raises(vitnas.VitnasError, match="name a cost"):
        vitnas.search(run, "phone", dataclasses.replace(FEW, objectives=("accuracy",), baselines=2))
