"""A search of thousands of archs whose front is long: the page is small, says what it leaves out and shows the front."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.hypervolume import hypervolume
from vitnas.nas.pareto.point import Point
from vitnas.nas.records import write_evaluations
from vitnas.nas.study import Evaluation
from vitnas.reporting.growth import MOST_STEPS, Box
from vitnas.reporting.page import page_data
from vitnas.reporting.page.html import write_page
from vitnas.reporting.page.page_data import describe_page
from vitnas.reporting.results import find_results
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")
NAMES = ("accuracy", "latency_ms")
FRONT, ALL = 600, 9000
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searches") / "long"
    rng = np.random.default_rng(0)
    codes = np.unique(SPACE.genome.sample(2 * ALL, rng), axis=0)
    archs = SPACE.decode(codes[rng.permutation(len(codes))[:ALL]])
    x = np.concatenate([np.linspace(0, 1, FRONT), rng.random(ALL - FRONT)])
    y = np.sqrt(0.1 + x) - np.concatenate([np.zeros(FRONT), 0.01 + 0.3 * rng.random(ALL - FRONT)])
    order = rng.permutation(ALL)
    figures = [{"accuracy": float(y[i]) / 2, "latency_ms": 1 + float(x[i])} for i in order]
    found = [Evaluation(arch, one, 1e-3) for arch, one in zip(archs, figures, strict=True)]
    points = [Point(e.arch, e.metrics, dict.fromkeys(NAMES, "measured")) for e in found]
    front = ParetoFront.of(SPACE, [Objective.named(name) for name in NAMES], points)
    assert len(front.points) == FRONT
    folder.mkdir()
    front.save(folder / "front.json")
    write_evaluations(folder / "evaluations.parquet", found, figures, {p.arch.id for p in front.points})
    return folder


def test_growth_of_many_steps_is_thinned_and_true(folder: Path) -> None:
    (result,) = find_results(folder)
    box = Box.around([result])
    growth = box.growth(result)
    values = np.column_stack([-result.evaluated.figures["accuracy"], result.evaluated.figures["latency_ms"]])
    assert MOST_STEPS <= len(growth) <= MOST_STEPS + 1
    assert growth[0][0] == 1
    assert growth[-1] == (ALL, pytest.approx(box.share_of(result)))
    assert all(a[1] < b[1] for a, b in pairwise(growth[:-1]))
    for n, share in growth[::57]:
        assert share == pytest.approx(
            hypervolume(values[:n], box.reference) / np.prod(box.reference - box.best), rel=1e-9
        )


@pytest.mark.heavy
@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as `apt-get install chromium`")
def test_every_arch_of_a_long_front_is_drawn_and_the_page_says_what_is_left_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_data, "MOST_BYTES", 400_000)
    page = tmp_path / "report.html"
    data = describe_page(folder)
    write_page(data, page)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=10000", "--dump-dom"]
    done = subprocess.run(
        [str(CHROMIUM), *flags, f"--user-data-dir={tmp_path / 'profile'}", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    text = re.sub(r"<script.*?</script>", "", done.stdout, flags=re.DOTALL)
    (result,) = data["results"]
    assert text.count('class="point dense"') == FRONT - 1  # and the knee, which is chosen
    assert result["left_out"] > 0
    assert f"{result['left_out']} archs behind the front are left out of this page" in text
    said = re.search(r"(\d+) of the 600 archs of the front stand here", text)
    assert said is not None
    assert int(said[1]) in (100, 101)
    genes = text.split('id="gene-table"')[1].split("</thead>")[0]
    assert genes.count("<th") - genes.count("<thead") == int(said[1])
