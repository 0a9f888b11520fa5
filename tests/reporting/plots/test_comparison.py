"""Comparisons say what is true of the fronts, and refuse what would not be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.nas.pareto.test_picks import front
from tests.test_cli import vitnas
from vitnas.errors import SearchError
from vitnas.files import read_json
from vitnas.nas.pareto.front import ParetoFront
from vitnas.reporting.plots.comparison import describe_comparison
from vitnas.reporting.plots.pictures import named_results
from vitnas.reporting.results import Result


def edited(run: Path, folder: Path, **changes: object) -> Path:
    """A copy of a search whose front says something else."""
    shutil.copytree(run / "search-pretended", folder)
    front = read_json(folder / "front.json")
    (folder / "front.json").write_text(json.dumps(front | changes))
    return folder


def test_a_comparison_counts_what_the_fronts_hold(run: Path) -> None:
    found = describe_comparison(named_results([run]))
    fronts = {name: ParetoFront.load(run / name / "front.json") for name in ("search-pretended", "search-tight")}
    ids = {name: {p.arch.id for p in front.points} for name, front in fronts.items()}
    (change,) = found["changes"]
    assert found["first"] == "search-pretended"
    assert set(change["gained"]) == ids["search-tight"] - ids["search-pretended"]
    assert set(change["lost"]) == ids["search-pretended"] - ids["search-tight"]
    assert set(change["both"]) == ids["search-pretended"] & ids["search-tight"]
    for count, better, worse in (
        (change["beats"], "search-tight", "search-pretended"),
        (change["beaten"], "search-pretended", "search-tight"),
    ):
        pairs = [[(q.objectives, p.objectives) for q in fronts[better].points] for p in fronts[worse].points]
        truth = sum(
            any(
                q["accuracy"] >= p["accuracy"] and q["latency_ms"] <= p["latency_ms"] and dict(q) != dict(p)
                for q, p in against
            )
            for against in pairs
        )
        assert count == truth
    for which in ("beats", "beaten"):
        assert 0 <= change[f"{which}_surely"] <= change[which]
    assert change["settings"]["seed"] == [0, 1]
    assert change["settings"]["limits.latency_ms"][0] is None
    assert "evaluations" not in change["settings"]
    shares = [one["hypervolume"] for one in found["searches"]]
    assert all(0 < share < 1 for share in shares)
    assert found["reference"]["latency_ms"] > max(p.objectives["latency_ms"] for f in fronts.values() for p in f.points)


def test_only_what_exceeds_the_error_is_beaten_surely() -> None:
    first = front((0.90, 2.0), (0.95, 4.0), errors={"accuracy": 0.01})
    for accuracy, surely in ((0.91, 0), (0.93, 1)):
        better = front((accuracy, 2.0), errors={"accuracy": 0.01})
        results = {name: Result(name, Path(name) / "front.json", each) for name, each in (("a", first), ("b", better))}
        (change,) = describe_comparison(results)["changes"]
        assert (change["beats"], change["beats_surely"]) == (1, surely)


def test_a_search_against_itself_changes_nothing(run: Path, tmp_path: Path) -> None:
    same = edited(run, tmp_path / "same")
    found = describe_comparison(named_results([run / "search-pretended", same]))
    (change,) = found["changes"]
    assert (change["gained"], change["lost"], change["settings"]) == ([], [], {})
    assert (change["beats"], change["beaten"]) == (0, 0)
    assert len({one["hypervolume"] for one in found["searches"]}) == 1


def test_figures_of_different_devices_are_not_weighed(run: Path, tmp_path: Path) -> None:
    phone = edited(run, tmp_path / "phone", config={"origin": {"device": "phone"}})
    found = describe_comparison(named_results([run / "search-pretended", phone]))
    assert "of different devices" in found["differ"]
    assert [one["hypervolume"] for one in found["searches"]] == [None, None]
    assert found["changes"][0]["beats"] is None
    assert found["changes"][0]["gained"] == []


def test_the_command_prints_draws_and_gives_json(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = run / "search-pretended", run / "search-tight"
    code, out, err = vitnas(capsys, "compare", first, second, "--out", tmp_path / "c.svg")
    assert code == 0, err
    assert "search-tight against search-pretended" in out
    assert "seed: 0 -> 1" in out
    assert "<svg" in (tmp_path / "c.svg").read_text()
    code, out, _ = vitnas(capsys, "compare", first, second, "--json")
    assert code == 0
    assert json.loads(out)["changes"][0]["name"] == "search-tight"


def test_one_front_is_nothing_to_compare(run: Path) -> None:
    with pytest.raises(SearchError, match="needs two or more; name another run"):
        describe_comparison(named_results([run / "search-tight"]))
