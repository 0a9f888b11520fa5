"""What latencies rest on is told with fronts, on the page and in the list of devices."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.latency_lut.test_table import make_table
from tests.test_cli import vitnas
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.reporting.page.page_data import describe_page
from vitnas.reporting.sittings import front_notes
from vitnas.reporting.terminal.devices import list_devices, print_devices
from vitnas.reporting.terminal.exports import predictions
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")


def front_of(config: dict[str, Any], *names: str, provenance: Any = "measured") -> ParetoFront:
    names = names or ("latency_ms",)
    objectives = [Objective.named(name) for name in ("accuracy", *names)]
    figures = {"accuracy": 0.9} | dict.fromkeys(names, 2.0)
    errors = dict.fromkeys(names, 0.1)
    point = Point(SPACE.smallest(), figures, dict.fromkeys(figures, provenance), errors)
    return ParetoFront.of(SPACE, objectives, [point], config=config)


def test_the_speed_of_the_machine_and_what_went_astray_are_told() -> None:
    sitting = {"between": 0.035, "measured": 12, "pace": [0.98, 1.62], "astray": 3}
    holds, pace, astray = front_notes(front_of({"sittings": {"latency_ms": sitting}}))
    assert "hold on another day as well, with 3.5% between sittings" in holds
    assert "12 networks were measured while the reference took 0.98 to 1.62 times as long" in pace
    assert "the machine was busy" in pace
    assert "3 of 12 measured networks differ from the table by more than their errors allow" in astray


def test_on_a_quiet_machine_one_line_is_enough() -> None:
    assert len(front_notes(front_of({"sittings": {"latency_ms": {"between": 0.035}}}))) == 1


@pytest.mark.parametrize("config", [{}, {"sittings": {"latency_ms": {"between": "much"}}}, {"sittings": 7}])
def test_a_front_that_does_not_know_says_so_unless_it_is_an_estimate(config: dict[str, Any]) -> None:
    (note,) = front_notes(front_of(config))
    assert "how fast the machine was is not recorded" in note
    assert front_notes(front_of(config, provenance="estimated")) == []


def test_what_an_export_is_told_of_a_front() -> None:
    config = {"limits": {"latency_ms": 3.0}, "origin": {"device": "cpu", "table": "2026-11-22"}}
    front = front_of({**config, "sittings": {"latency_ms": {"between": 0.035}}})
    (one,) = [predictions(front, point)["cpu"] for point in front.points]
    assert (one.ms, one.std_ms, one.how, one.limit_ms, one.table) == (2.0, 0.1, "measured", 3.0, "2026-11-22")
    old = front_of(config)
    assert predictions(old, old.points[0])["cpu"].std_ms == pytest.approx((0.1**2 + (0.035 * 2) ** 2) ** 0.5)


def test_each_device_of_a_search_for_several_has_its_prediction() -> None:
    config = {
        "limits": {"latency_ms@phone": 4.0},
        "origin": {"device": "cpu, phone", "table": "2026-11-22, 2026-11-23"},
        "sittings": {"latency_ms@cpu": {"between": 0.035}, "latency_ms@phone": {"between": 0.0}},
    }
    front = front_of(config, "latency_ms@cpu", "latency_ms@phone")
    found = predictions(front, front.points[0])
    assert {name: (one.limit_ms, one.table) for name, one in found.items()} == {
        "cpu": (None, "2026-11-22"),
        "phone": (4.0, "2026-11-23"),
    }


def test_devices_tell_what_the_tables_of_a_run_are_worth(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = RunFolder(Path(shutil.copytree(run, tmp_path / "run")))
    bad = make_table(mape=0.25)
    bad.write(copy.latency_file("cpu"))
    copy.latency_file("broken").write_bytes(b"no table")
    found = {device["name"]: device for device in list_devices(copy)}
    assert found["cpu"]["table"]["error"] == "MAPE 25.0%, Kendall 0.95"
    assert "misses whole networks" in found["cpu"]["table"]["warnings"][0]
    assert found["pretended"]["origin"] == "measured elsewhere"
    assert found["pretended"]["table"]["warnings"] == []
    assert "damaged" in found["broken"]["table"]["warnings"][0]
    assert found["cuda"]["table"] is None
    print_devices(list(found.values()))
    out = capsys.readouterr().out
    assert "MAPE 25.0%" in out
    assert "over its limit of 10%" in " ".join(out.split())
    code, out, _ = vitnas(capsys, "devices", "--run", copy.path, "--json")
    assert code == 0
    assert {one["name"] for one in json.loads(out)} == set(found)


def test_the_page_shows_notes_and_exports(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    told = {"predicted_std_ms": 0.1, "pace": 1.5, "busy": True, "then_ms": 2.0, "then_std_ms": 0.1, "limit_ms": 3.0}
    report = {
        "arch_id": "abc",
        "predicted_latency_ms": {"cpu": 2.1},
        "measured_latency_ms": {"cpu": 3.0},
        "latency": {"cpu": {**told, "limit_kept": True, "remarks": ["taken on a busy machine"]}},
    }
    for name, content in (("knee", report), ("old", {k: v for k, v in report.items() if k != "latency"})):
        (copy / name).mkdir()
        (copy / name / "report.json").write_text(json.dumps(content))
    (copy / "odd").mkdir()
    (copy / "odd" / "report.json").write_text('{"arch_id": 7}')
    data = describe_page(copy)
    assert [one["folder"] for one in data["exports"]] == ["knee", "old"]
    knee, old = data["exports"]
    assert list(knee["rows"][0]) == ["cpu", "2.100 ± 0.1", "3.000", "50 % slower, busy", "2.000 ± 0.1", "3 kept"]
    assert knee["remarks"] == ["cpu: taken on a busy machine"]
    assert list(old["rows"][0]) == ["cpu", "2.100", "3.000", "not known", "-", "-"]
    assert "how fast the machine was is not recorded" in data["results"][0]["notes"][0]


def test_an_estimated_table_of_the_same_run_has_no_note(run: Path) -> None:
    front = ParetoFront.load(run / "search-pretended" / "front.json")
    estimated = tuple(replace(p, provenance=dict.fromkeys(p.objectives, "estimated")) for p in front.points)
    assert front_notes(replace(front, points=estimated)) == []
