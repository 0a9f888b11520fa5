"""The report in a real browser: hover, click, keys, sort, filter, download. Skipped where there is none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reporting.page.test_dashboard import ARCHS, AtWork, served
from vitnas.files import only_here
from vitnas.nas.pareto.front import ParetoFront
from vitnas.reporting.page.html import write_page
from vitnas.reporting.page.page_data import describe_page
from vitnas.reporting.picks import trade_text
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.supernets.judgement import Judgement
from vitnas.supernets.tested import Tested, add_tested

playwright = pytest.importorskip("playwright.sync_api", reason="needs `pip install playwright`")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, such as `apt-get install chromium`")

POINT = '#front-figure [role="option"]'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_page(describe_page(run), path)
    return path


@pytest.fixture
def page(browser: Any, report: Path) -> Iterator[Any]:
    """The report on a screen that is offline; whatever the console says fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900}, offline=True, accept_downloads=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    yield page
    context.close()
    assert said == []


@pytest.fixture(scope="module")
def front(run: Path) -> ParetoFront:
    return ParetoFront.load(run / "search-pretended" / "front.json")


def column(page: Any, number: int) -> list[float]:
    cells = page.locator(f"#arch-table tbody tr > :nth-child({number})").all_inner_texts()
    return [float(cell.split(" ")[0]) for cell in cells]


def test_hovering_tells_of_the_arch_under_the_pointer(page: Any, front: ParetoFront) -> None:
    assert page.locator(POINT).count() == len(front.points)
    for point in (front.points[0], front.best()):
        page.locator(f'{POINT}[data-arch="{point.arch.id}"]').hover()
        text = page.locator(".tip").inner_text()
        assert point.arch.id in text
        assert f"{100 * point.objectives['accuracy']:.1f} ± 1.0 %" in text
        assert f"width {point.arch['width']}" in text
    page.locator("#title").hover()
    assert not page.locator(".tip").is_visible()


def test_groups_have_a_halo_and_picks_say_what_they_give_up(page: Any, front: ParetoFront) -> None:
    several = [group for group in front.groups() if len(group.points) > 1]
    assert page.locator("#front-figure path.group").count() == len(several)
    note = page.locator("#front-note").inner_text()
    assert trade_text(front, front.best()) in note
    assert (front.why_no_knee() or "The diamond is the knee") in note
    for group in several[:1]:
        page.locator(f'{POINT}[data-arch="{group.best.arch.id}"]').hover()
        assert f"one of {len(group.points)} that cannot be told apart" in page.locator(".tip").inner_text()


def test_a_click_chooses_and_the_arch_can_be_taken_away(
    page: Any, front: ParetoFront, run: Path, tmp_path: Path
) -> None:
    wanted = front.points[-1].arch
    assert front.best().arch.id in page.locator("#chosen h3").inner_text()
    page.locator(f'{POINT}[data-arch="{wanted.id}"]').click()
    assert wanted.id in page.locator("#chosen h3").inner_text()
    assert page.locator(f'#arch-table tr[data-arch="{wanted.id}"]').get_attribute("class") == "chosen"
    file = run / "search-pretended" / "front.json"
    command = f"vitnas export --run {run} --front {file} --pick {wanted.id} --out {wanted.id}"
    assert page.locator("#command").inner_text() == command
    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == f"{wanted.id}.json"
    download.value.save_as(tmp_path / "arch.json")
    assert Arch.from_json(json.loads((tmp_path / "arch.json").read_text())) == wanted


def test_the_front_can_be_walked_along_with_keys(page: Any, front: ParetoFront) -> None:
    points = page.locator(POINT)
    stops = [points.nth(i).get_attribute("tabindex") for i in range(points.count())]
    assert stops.count("0") == 1  # one stop for Tab, arrows do the rest
    page.locator(f'{POINT}[tabindex="0"]').focus()
    page.keyboard.press("Home")
    first = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert first.startswith(f"arch {front.points[0].arch.id}")
    assert "Top-1 accuracy" in first
    page.keyboard.press("ArrowRight")
    second = front.points[1].arch.id
    assert page.evaluate("document.activeElement.dataset.arch") == second
    assert second in page.locator(".tip").inner_text()
    page.keyboard.press("Enter")
    assert second in page.locator("#chosen h3").inner_text()
    assert page.evaluate("document.activeElement.dataset.arch") == second  # and goes on from there
    assert page.locator(f'{POINT}[aria-selected="true"]').count() == 1
    page.keyboard.press("End")
    assert page.evaluate("document.activeElement.dataset.arch") == front.points[-1].arch.id


def test_the_table_sorts_both_ways(page: Any) -> None:
    page.locator("#front-only").uncheck()
    head = page.get_by_role("columnheader", name="Top-1 accuracy")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    best_first = column(page, 2)
    assert len(best_first) == 24
    assert best_first == sorted(best_first, reverse=True)
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(page, 2) == sorted(best_first)
    assert page.locator('#arch-table [aria-sort="ascending"]').count() == 1


def test_the_table_filters_by_figures_genes_and_ids(page: Any, run: Path) -> None:
    page.locator("#front-only").uncheck()
    rows = {row[0]: row for row in describe_page(run)["results"][0]["rows"]}
    shown = lambda: set(page.locator("#arch-table tbody tr").evaluate_all("rows => rows.map(r => r.dataset.arch)"))  # noqa: E731
    assert shown() == rows.keys()
    page.locator("#filter").fill("width=64")
    assert shown() == {name for name, row in rows.items() if row[1]["width"] == 64}
    page.locator("#filter").fill("depth>=5 params<0.25")
    assert shown() == {name for name, row in rows.items() if row[1]["depth"] >= 5 and row[2][3] < 250_000}
    page.locator("#filter").fill("heads[1]=3")
    assert shown() == {name for name, row in rows.items() if row[1]["heads"][1] == 3}
    one = sorted(rows)[3]
    page.locator("#filter").fill(one[:8])
    assert shown() == {one}
    assert page.locator("#count").inner_text() == "1 of 1 archs, 24 in all"
    page.locator("#filter").fill("no such thing")
    assert shown() == set()


def test_another_search_and_other_axes_can_be_looked_at(page: Any, run: Path) -> None:
    tight = ParetoFront.load(run / "search-tight" / "front.json")
    page.locator("#front-choice").select_option(label="search-tight (pretended)")
    assert page.locator(POINT).count() == len(tight.points)
    assert "limit" in page.locator("#front-figure").text_content()
    page.locator("#x-axis").select_option(label="Parameters (M)")
    assert "Parameters (M)" in page.locator("#front-figure svg").text_content()
    assert page.locator(POINT).count() == len(tight.points)


def test_a_table_row_and_a_gene_column_choose_too(page: Any, front: ParetoFront) -> None:
    first, last = front.points[0].arch.id, front.points[-1].arch.id
    page.locator(f'#arch-table tr[data-arch="{last}"] button').press("Enter")
    assert last in page.locator("#chosen h3").inner_text()
    page.locator("#gene-table thead button").first.click()
    assert first in page.locator("#chosen h3").inner_text()


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1200, "dark")])
def test_it_fits_a_phone_and_the_dark(browser: Any, report: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    assert contrast(ground, ink) > 7
    faint = page.evaluate("getComputedStyle(document.querySelector('.note')).color")
    assert contrast(ground, faint) > 4.5
    for section in ("front", "archs", "genes", "growth", "training", "tables", "predictor", "origin"):
        assert page.locator(f"#{section}").is_visible()
    context.close()


def test_a_live_page_follows_the_search_and_keeps_what_was_chosen(browser: Any, tmp_path: Path) -> None:
    with only_here(tmp_path / "s", "search"):
        search = AtWork(tmp_path / "s")
        search.evaluate(ARCHS[:4])
        with served(tmp_path / "s") as server:
            page = browser.new_context().new_page()
            said: list[str] = []
            page.on("console", lambda message: said.append(message.text))
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(server.url)
            assert "4 evaluated" in page.locator("#summary").inner_text()
            assert "At work" in page.locator("#state").inner_text()
            chosen = page.locator("#arch-table tbody tr").last.get_attribute("data-arch")
            page.locator(f'#arch-table tr[data-arch="{chosen}"] button').click()
            page.locator("#filter").fill("depth>=1")
            search.evaluate(ARCHS[4:])
            page.locator("#summary", has_text="12 evaluated").wait_for(timeout=30_000)
            assert chosen in page.locator("#chosen h3").inner_text()
            assert page.locator("#filter").input_value() == "depth>=1"
            assert page.locator(POINT).count() == len(server.describe()["results"][0]["front"])
            assert said == []
            page.context.close()


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG between two colours such as ``rgb(1, 2, 3)``."""
    light = sorted(map(luminance, (one, other)))
    return (light[1] + 0.05) / (light[0] + 0.05)


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in colour[4:-1].split(",")]
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_test_images_are_told_apart_from_those_that_choose(browser: Any, run: Path, tmp_path: Path) -> None:
    """None are kept; some are kept and nothing was judged by them; a network was."""
    own = RunFolder(tmp_path / "own")
    shutil.copytree(run, own.path)
    context = browser.new_context(offline=True)
    page = context.new_page()
    notes = ["keeps no test images", "no network has been judged", "No training and no search saw these images"]
    for step, note in enumerate(notes):
        if step == 1:
            own.save_config({"data": {"name": "digits", "test_share": 0.1}})
        if step == 2:
            add_tested(own, [Tested.of("0123abcd", "exported", Judgement(0.95, 180, 180))])
        write_page(describe_page(own.path), tmp_path / "page.html")
        page.goto((tmp_path / "page.html").as_uri())
        assert note in page.locator("#test-note").inner_text()
        assert page.locator("#test-table").is_visible() == (step == 2)
    cells = page.locator("#test-table tbody tr > *").all_inner_texts()
    assert cells[:5] == ["0123abcd", "exported", "95.00", "90.8 % to 97.3 %", "180"]
    context.close()
