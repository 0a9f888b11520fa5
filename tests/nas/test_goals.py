"""The whole path of labels and masks: data, training, search, evaluation, export, report, card."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contracts.goal_data import arrays
from tests.latency_lut.test_table import make_table
from vitnas.api.evaluating import evaluate
from vitnas.cli import main
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.run_search import SearchRequest, start_search
from vitnas.nas.settings import SearchSettings
from vitnas.search_spaces import load_space
from vitnas.search_spaces.answers import metric_of
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("answer", ["labels", "mask"])
def test_from_data_to_a_card(
    answer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metric = metric_of(answer)
    data = DataSettings(str(arrays(tmp_path, answer)), answer=answer, test_share=0.0)
    space = load_space("autoformer-mini", load_dataset(data).task).restrict(
        width=(48, 64), depth=(3,), mlp_ratio=(2.0,)
    )
    run = start_run(tmp_path / "runs/small", space, data, TrainSettings(steps=4, batch_size=8, threads=1, loggers=()))
    train(run, progress=False)
    table = make_table(run.space)
    run.latency_file("phone").parent.mkdir()
    replace(table, header=replace(table.header, device="phone")).write(run.latency_file("phone"))

    said: list[str] = []
    settings = SearchSettings(evaluations=5, initial=3, batch=2, population=6, generations=2, measure=False)
    found = start_search(SearchRequest(("phone",), run), settings, said.append, progress=False)
    assert f"'{metric}' stands for accuracy" in " ".join(said)
    front = ParetoFront.load(found.folder / "front.json", run.space)
    assert [o.name for o in front.objectives] == [metric, "latency_ms"]
    assert front.worth.direction == "maximise"
    assert all(0 <= p.objectives[metric] <= 1 and p.errors[metric] >= 0 and not p.answers for p in front.points)

    one = evaluate(run, front.points[0].arch)
    assert (one.value, one.std) == (front.points[0].objectives[metric], front.points[0].errors[metric])
    assert set(one.to_json()["of_classes"]) == ({"ap", "auroc"} if answer == "labels" else {"iou"})

    monkeypatch.chdir(tmp_path)
    commands = (
        f"export --front {found.folder / 'front.json'} --format onnx --no-measure --out best",
        "verify best --run runs/small --no-measure",
        "report runs/small --out report.html",
    )
    for command in commands:
        monkeypatch.setattr("sys.argv", ["vitnas", *command.split()])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (0, None), capsys.readouterr().err
    report = json.loads((tmp_path / "best/report.json").read_text())
    onnx = report["formats"]["onnx"]
    assert report["metric"] == metric
    assert onnx[f"{metric}_before"] == pytest.approx(onnx[f"{metric}_after"], abs=1e-3)
    assert report[metric]["exported"] >= 0
    card, page = (tmp_path / "best/README.md").read_text(), (tmp_path / "report.html").read_text()
    assert f"type: {metric}" in card
    assert ("segmentation network" if answer == "mask" else "multi-label") in card
    assert metric in page
    assert "accuracy" not in " ".join(o.name for o in front.objectives)
