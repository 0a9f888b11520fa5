"""The report as data and as a page: all of it there, true, and harmless."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from tests.test_cli import vitnas
from vitnas.errors import SearchError, VitnasError
from vitnas.files import read_json
from vitnas.nas.pareto.front import ParetoFront
from vitnas.reporting.page.html import embed, render_page, write_page
from vitnas.reporting.page.page_data import describe_page
from vitnas.search_spaces import Arch


class Elements(HTMLParser):
    """The elements of a page, and the text of its scripts by type."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: dict[str, str] = {}
        self._inside: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = (dict(attrs).get("type") or "script") if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.scripts[self._inside] = self.scripts.get(self._inside, "") + data

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


def of_page(path: Path) -> Any:
    return json.loads(Elements(path.read_text()).scripts["application/json"])


def test_the_page_holds_what_the_files_say(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    write_page(describe_page(run), page)
    data = of_page(page)
    assert [result["name"] for result in data["results"]] == ["search-pretended", "search-tight"]
    result = data["results"][0]
    front = ParetoFront.load(run / "search-pretended" / "front.json")
    assert result["front"] == [point.arch.id for point in front.points]
    assert result["picks"]["best"]["id"] == front.best().arch.id
    assert result["groups"] == [[p.arch.id for p in g.points] for g in front.groups() if len(g.points) > 1]
    names = [quantity["name"] for quantity in result["quantities"]]
    assert names == ["accuracy", "latency_ms", "loss", "num_params"]
    table = pyarrow.parquet.read_table(run / "search-pretended" / "evaluations.parquet").to_pylist()
    rows = {row[0]: row for row in result["rows"]}
    assert rows.keys() == {one["arch_id"] for one in table}
    for one in table:
        shown = rows[one["arch_id"]]
        assert shown[2] == pytest.approx([one[name] for name in names], rel=1e-5)
        assert Arch.from_json({"space": result["space"], "genes": shown[1]}).id == one["arch_id"]
        assert shown[3][:2] == pytest.approx([one["accuracy_std"], one["latency_ms_std"]], rel=1e-5)
    assert data["training"]["loss"]["loss"] == [[10, 0.2], [20, 0.1], [30, 2 / 30]]
    assert data["training"]["accuracy"] == {"smallest subnet": [[30, 0.5]], "largest subnet": [[30, 0.75]]}
    assert data["tables"][0]["text"].startswith("7 held-out networks")
    assert len(data["tables"][0]["networks"]) == 7
    assert len(data["predictor"]["archs"]) == 40
    assert data["run"]["config"]["train"] == {"epochs": 3, "seed": 5}
    assert result["config"]["origin"]["device"] == "pretended"
    assert not data["at_work"]


def test_the_command_exports_the_chosen_arch(run: Path) -> None:
    result = describe_page(run)["results"][0]
    words = shlex.split(result["export_front"])
    assert words[:4] == ["vitnas", "export", "--run", str(run)]
    assert Path(words[words.index("--front") + 1]).samefile(run / "search-pretended" / "front.json")
    alone = describe_page(run / "search-pretended")
    assert [each["name"] for each in alone["results"]] == ["search-pretended"]
    assert alone["training"] is not None  # of the run that the search lies in


def test_a_search_that_lies_in_no_run_has_a_command_only_if_a_supernet_judged(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "search-pretended", tmp_path / "elsewhere" / "s")
    data = describe_page(tmp_path / "elsewhere" / "s")
    assert data["results"][0]["export_front"] is None
    assert data["run"] is None
    file = tmp_path / "elsewhere" / "s" / "front.json"
    front = read_json(file)
    front["config"]["origin"]["supernet"] = "step-00000100"
    file.write_text(json.dumps(front))
    command = describe_page(tmp_path / "elsewhere" / "s")["results"][0]["export_front"]
    assert command == f"vitnas export --run RUN --front {file}"  # a supernet judged; the reader knows where it is


def test_a_front_without_its_evaluations_is_shown_alone(run: Path, tmp_path: Path) -> None:
    file = Path(shutil.copy(run / "search-pretended" / "front.json", tmp_path))
    (result,) = describe_page(file)["results"]
    assert [row[0] for row in result["rows"]] == result["front"]


def test_names_cannot_become_markup(run: Path, tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(2)>&\u2028"
    folder = tmp_path / "x"
    shutil.copytree(run / "search-pretended", folder)
    front = read_json(folder / "front.json")
    front["config"]["origin"]["device"] = evil
    front["config"][evil] = evil
    (folder / "front.json").write_text(json.dumps(front))
    data = describe_page(folder) | {"title": evil}
    text = render_page(data)
    clean = Elements(render_page(describe_page(folder)))
    found = Elements(text)
    assert [tag for tag, _ in found.tags] == [tag for tag, _ in clean.tags]
    assert json.loads(found.scripts["application/json"])["results"][0]["device"] == evil
    assert found.scripts["script"] == clean.scripts["script"]


def test_nothing_is_asked_from_anywhere(run: Path) -> None:
    text = render_page(describe_page(run))
    found = Elements(text)
    assert not [attrs for _, attrs in found.tags if attrs.get("src")]
    assert [attrs["href"] for tag, attrs in found.tags if tag == "link"] == ["data:,"]
    assert set(re.findall(r"https?://[^\"' ]+", text.split('id="data"')[0] + found.scripts["script"])) == {
        "http://www.w3.org/2000/svg"
    }
    policy = next(a["content"] for _, a in found.tags if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert "default-src 'none'" in policy
    assert "connect-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1]


def test_numbers_that_json_lacks_become_null() -> None:
    assert embed({"a": float("nan"), "b": [float("inf"), 1.5]}) == '{"a":null,"b":[null,1.5]}'


@pytest.mark.heavy
def test_a_page_of_many_archs_stays_small(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "large"
    shutil.copytree(run / "search-pretended", folder)
    table = pyarrow.parquet.read_table(folder / "evaluations.parquet")
    many = pyarrow.concat_tables([table] * 900)  # each arch gets a name of its own
    ids = [f"{i:012x}" if i >= len(table) else table["arch_id"][i].as_py() for i in range(len(many))]
    many = many.set_column(0, "arch_id", pyarrow.array(ids))
    pyarrow.parquet.write_table(many, folder / "evaluations.parquet")
    data = describe_page(folder)
    (result,) = data["results"]
    assert len(result["rows"]) + result["left_out"] == len(many)
    assert result["left_out"] > 0
    assert set(result["front"]) <= {row[0] for row in result["rows"]}
    assert 500_000 < len(render_page(data).encode()) < 3_000_000


def test_a_run_that_only_trained_has_curves(run: Path, tmp_path: Path) -> None:
    for name in ("config.toml", "metrics.jsonl"):
        shutil.copy(run / name, tmp_path)
    data = describe_page(tmp_path)
    assert data["results"] == []
    assert data["training"]["loss"]["loss"][0] == [10, 0.2]


def test_the_command_writes_beside_what_it_tells_of(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = vitnas(capsys, "report", run)
    assert code == 0, err
    assert out.strip() == str(run / "report.html")
    assert of_page(run / "report.html")["title"] == "digits"


def test_refusals(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="does not exist; name a front.json, a search folder or a run"):
        describe_page(tmp_path / "nothing")
    with pytest.raises(SearchError, match="holds no result of a search yet"):
        describe_page(tmp_path)
    with pytest.raises(VitnasError, match=r"its name must end in \.html"):
        write_page(describe_page(run), tmp_path / "r.pdf")
    folder = tmp_path / "damaged"
    shutil.copytree(run / "search-pretended", folder)
    (folder / "evaluations.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(SearchError, match="cannot read the evaluations .*search again"):
        describe_page(folder)


def test_failed_evaluations_are_counted_and_left_out(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "f"
    shutil.copytree(run / "search-pretended", folder)
    frame = pyarrow.parquet.read_table(folder / "evaluations.parquet").to_pandas()
    front = ParetoFront.load(folder / "front.json")
    lost = frame.index[~frame["arch_id"].isin([p.arch.id for p in front.points])][0]
    frame.loc[lost, ["accuracy", "accuracy_std", "loss", "latency_ms", "latency_ms_std", "num_params"]] = np.nan
    frame["error"] = frame["error"].astype(object)
    frame.loc[lost, "error"] = "killed"
    frame.to_parquet(folder / "evaluations.parquet")
    (result,) = describe_page(folder)["results"]
    assert result["failed"] == 1
    assert frame.loc[lost, "arch_id"] not in {row[0] for row in result["rows"]}


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("search/front.json", b"{}", "format is None"),
        ("search/front.json", b"\xff\xfe", "not valid JSON"),
        ("search/front.json", b"ORIGIN", "front '.*': Expected `object`, got `str`"),
        ("search/evaluations.parquet", b"PAR1", "cannot read the evaluations"),
        ("search/evaluations.parquet", b"ARCH", "cannot read the evaluations .*search again"),
        ("config.toml", b"= 1", "config.toml"),
        ("environment.json", b"[", "environment.json' is not valid JSON"),
        ("predictor/report.json", b'{"space": 1}', "report.json"),
        ("search/study.db", b"not a database" * 200, "cannot read the study"),
    ],
)
def test_damaged_files_are_told_by_name(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, content: bytes, said: str
) -> None:
    folder = tmp_path / "r"
    shutil.copytree(run, folder)
    (folder / "search-pretended").rename(folder / "search")
    if content == b"ORIGIN":
        front = read_json(folder / file)
        content = json.dumps(front | {"config": {"origin": "here"}}).encode()
    if content == b"ARCH":
        frame = pyarrow.parquet.read_table(folder / file).to_pandas()
        frame["arch"] = '{"space": "autoformer-mini"}'
        frame.to_parquet(folder / file)
    else:
        (folder / file).write_bytes(content)
    if file.endswith(".db"):
        (folder / "search" / "front.json").unlink()  # or nobody would look at the study
    (folder / "report.html").unlink(missing_ok=True)
    code, _, err = vitnas(capsys, "report", folder)
    assert code == 2
    assert re.search(said, err), err
    assert "Traceback" not in err
    assert not (folder / "report.html").exists()


def test_damaged_tables_and_curves_do_not_hide_the_rest(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "r"
    shutil.copytree(run, folder)
    (folder / "latency" / "pretended.parquet").write_bytes(b"PAR1")
    (folder / "metrics.jsonl").write_bytes(b'[1]\n"x"\n\xff\n{"step": 4, "loss": "high"}\n{"step": 5, "loss": NaN}\n')
    data = describe_page(folder)
    assert len(data["results"]) == 2
    assert "pretended.parquet" in data["tables"][0]["text"]
    assert data["training"] == {"loss": {}, "accuracy": {}}
    render_page(data)
