"""The page of an automatic search: all of it there, true, and harmless."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.reporting.test_page import Elements
from vitnas.automation.automate import AutoResult
from vitnas.automation.plan import Entry, Plan, Rung
from vitnas.automation.scoreboard import Line, Scoreboard
from vitnas.files import write_json
from vitnas.reporting.page.automation_data import describe_automation
from vitnas.reporting.page.html import AUTOMATION, render_page, write_page
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, load_space
from vitnas.supernets.training.metrics import MetricsLog

SPACE = load_space("autoformer-mini")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def entry(arch: Arch, role: str = "candidate", rate: float = 4e-3) -> Entry:
    return Entry(role, SPACE.name, 8, arch.to_json(), {"cpu": 0.5}, 0.25, False, 240, rate)  # type: ignore[arg-type]


def standing(one: Entry, kept: bool, step: int, loss: float | None, accuracy: float) -> dict[str, object]:
    return {"name": one.name, "kept": kept, "step": step, "loss": loss, "accuracy": accuracy, "cpu_s": 1.0}


@pytest.fixture
def found(tmp_path: Path) -> AutoResult:
    """Three candidates, of which two are one arch at two rates; one went astray, and the quicker learner won."""
    first, second = SPACE.sample(2, np.random.default_rng(0))
    slow, quick, other = entry(first), entry(first, rate=8e-3), entry(second)
    uniform = entry(SPACE.largest(), "uniform")
    unjudged = entry(second, "uniform")
    plan = Plan((slow, quick, other, uniform, unjudged), (Rung(0.1, 2), Rung(0.25, 1)), 1, 1, 0, 60.0)
    write_json(
        tmp_path / "standings.json",
        [
            [
                standing(quick, True, 24, 1.5, 0.5),
                standing(slow, True, 24, 1.6, 0.45),
                standing(other, False, 24, None, 0),
            ],
            [standing(quick, True, 60, 1.2, 0.6), standing(slow, False, 60, 1.3, 0.55)],
        ],
    )
    for one, loss in ((slow, 3.0), (quick, 1.0), (uniform, 2.0), (unjudged, 9.0)):
        run = RunFolder(tmp_path / "runs" / one.name)
        run.path.mkdir(parents=True)
        with MetricsLog(run, 0) as log:
            log.write(10, {"loss": 2 * loss, "label_loss": 7.0})
            log.write(240, {"loss": loss})
    lines = (
        Line("network", SPACE.name, 8, first.id, 0.75, (0.7, 0.8), {"cpu": 0.5}, 20_000, 2.0),
        Line("uniform", SPACE.name, 8, SPACE.largest().id, 0.7, (0.65, 0.75), {"cpu": 0.6}, 90_000, 1.5),
    )
    board = Scoreboard("digits", "test", 180, {"cpu": 0.7}, lines, {"uniform": (5.0, 1.0, 9.0)})
    return AutoResult(tmp_path, plan, board, ("vitnas export --run R", "vitnas verify N"))


def test_the_page_of_several_networks_leads_to_theirs(found: AutoResult) -> None:
    """The folder of each network lies in that of all."""
    within = replace(found, folder=found.folder / "0.7ms")
    within.folder.mkdir()
    for name in ("standings.json", "runs"):
        shutil.move(found.folder / name, within.folder / name)
    both = AutoResult(found.folder, None, found.scoreboard, parts=(within,))
    data = describe_automation(both)
    assert data["parts"] == [{"name": "0.7 ms on cpu", "page": "0.7ms/report.html"}]
    assert (data["plan"], data["rungs"], data["commands"]) == (None, [], [])
    assert data["curves"] == {"0.7 ms on cpu": describe_automation(within)["curves"]["network"]}
    write_page(data, found.folder / "report.html", AUTOMATION)
    assert "0.7ms/report.html" in (found.folder / "report.html").read_text()


def test_the_page_holds_what_was_found(found: AutoResult) -> None:
    write_page(describe_automation(found), found.folder / "report.html", AUTOMATION)
    page = Elements((found.folder / "report.html").read_text())
    data = json.loads(page.scripts["application/json"])
    assert data["title"] == "A network for digits within 0.7 ms on cpu"
    assert data["summary"] == "3 candidates, 1 baseline; 3.5 minutes of computing time in all"
    assert data["board"]["verdict"] == [f"{sentence}." for sentence in found.verdict()]
    assert [(one["name"], one["value"], one["interval"]) for one in data["board"]["lines"]] == [
        ("network", 75, [70, 80]),
        ("uniform", 70, [65, 75]),
    ]
    assert len(data["plan"]["rows"]) == 5
    assert data["plan"]["rows"][1][-3:] == ["0.008", "240", "1.0"]
    assert data["commands"] == ["vitnas export --run R", "vitnas verify N"]


def test_rungs_tell_who_goes_on(found: AutoResult) -> None:
    first, second = describe_automation(found)["rungs"]
    assert (first["title"], second["title"]) == ("After 10% of each training", "After 25% of each training")
    assert [row[1:] for row in first["rows"]] == [
        ["0.008", "24", "1.500", "50.0%", "goes on"],
        ["0.004", "24", "1.600", "45.0%", "goes on"],
        ["0.004", "24", "no number", "0.0%", "dropped"],
    ]
    assert [row[-1] for row in second["rows"]] == ["goes on", "dropped"]


def test_curves_are_those_of_the_networks_in_the_table(found: AutoResult) -> None:
    """The winner is told from the candidate of the same arch, and the baseline from one that was not judged."""
    assert describe_automation(found)["curves"] == {
        "network": [[10, 2.0], [240, 1.0]],
        "uniform": [[10, 4.0], [240, 2.0]],
    }


def test_one_candidate_stands_nowhere(found: AutoResult) -> None:
    only = replace(found.plan, entries=(found.plan.candidates[0], *found.plan.baselines), rungs=())
    write_json(found.folder / "standings.json", [])
    data = describe_automation(replace(found, plan=only))
    assert data["rungs"] == []
    assert data["curves"]["network"] == [[10, 6.0], [240, 3.0]]


def test_nothing_is_asked_from_anywhere_and_names_are_no_markup(found: AutoResult) -> None:
    evil = "</script><script>alert(1)</script>"
    assert found.scoreboard is not None
    board = replace(found.scoreboard, dataset=evil)
    page = Elements(render_page(describe_automation(replace(found, scoreboard=board)), AUTOMATION))
    plain = Elements(render_page(describe_automation(found), AUTOMATION))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not [attrs for _, attrs in page.tags if attrs.get("src")]
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy


@pytest.mark.heavy
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as `apt-get install chromium`")
def test_a_browser_draws_it(found: AutoResult) -> None:
    page = found.folder / "report.html"
    write_page(describe_automation(found), page, AUTOMATION)
    how = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={found.folder / 'browser'}", "--dump-dom")
    drawn = subprocess.run([str(CHROMIUM), *how, page.as_uri()], capture_output=True, text=True, timeout=120).stdout
    assert '<h1 id="title">A network for digits within 0.7 ms on cpu</h1>' in drawn
    assert len(re.findall("<tr>", drawn)) == (1 + 2) + (1 + 5) + (1 + 3) + (1 + 2)
    assert ">network: 75.0%</text>" in drawn
    assert "stroke: var(--series-1)" in drawn  # the curve and the interval of the baseline
    assert ">vitnas export --run R\nvitnas verify N</code>" in drawn
