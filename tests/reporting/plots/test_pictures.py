"""Every picture of `vitnas plot`: guessed from its file, whole, and true to the data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.test_cli import vitnas
from vitnas.errors import SearchError
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.hypervolume import hypervolume
from vitnas.reporting.evaluated import Evaluated, flat_genes, gene_names
from vitnas.reporting.growth import Box
from vitnas.reporting.influence import influences
from vitnas.reporting.plots.pictures import guess, named_results
from vitnas.reporting.results import Result, find_results


def texts(path: Path) -> list[str]:
    root = ElementTree.parse(path).getroot()
    return ["".join(node.itertext()).strip() for node in root.iter("{http://www.w3.org/2000/svg}text")]


def plot(capsys: pytest.CaptureFixture[str], tmp_path: Path, *words: object) -> list[str]:
    code, _, err = vitnas(capsys, "plot", *words, "--out", tmp_path / "p.svg", "--out", tmp_path / "p.png")
    assert code == 0, err
    assert (tmp_path / "p.png").read_bytes().endswith(b"IEND\xaeB`\x82")
    return texts(tmp_path / "p.svg")


def test_fronts_of_a_run_are_drawn_together(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = plot(capsys, tmp_path, run)
    assert {"search-pretended", "search-tight", "Latency on pretended (ms)"} <= set(words)
    assert any(word.startswith("limit") for word in words)


def test_hypervolume_over_evaluations(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = plot(capsys, tmp_path, run, "--what", "hypervolume")
    assert "Hypervolume of top-1 accuracy and latency" in words
    results = find_results(run)
    box = Box.around(results)
    for result in results:
        assert f"{result.name}: {box.share_of(result):.1%}" in words


@pytest.mark.heavy
def test_genes_along_the_front(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = plot(capsys, tmp_path, run / "search-pretended", "--what", "genes")
    assert {"width", "depth", "heads[0]", "mlp_ratio[5]", "knee", "Variance explained by the gene alone (%)"} <= set(
        words
    )
    front = ParetoFront.load(run / "search-pretended" / "front.json")
    for point in front.points:
        assert str(point.arch["width"]) in words


@pytest.mark.heavy
def test_tables_predictors_and_archs_are_known_by_their_files(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "Measured latency (ms)" in plot(capsys, tmp_path, run / "latency" / "pretended.parquet")
    assert "Evaluated accuracy" in plot(capsys, tmp_path, run / "predictor")
    assert plot(capsys, tmp_path, run, "--what", "predictor") == plot(
        capsys, tmp_path, run / "predictor" / "report.json"
    )
    assert plot(capsys, tmp_path, run, "--what", "fidelity")
    arch = ParetoFront.load(run / "search-tight" / "front.json").knee().arch
    (tmp_path / "arch.json").write_text(json.dumps(arch.to_json()))
    assert "block0 attention" in plot(capsys, tmp_path, tmp_path / "arch.json")
    assert guess(run / "search-tight" / "evaluations.parquet") == "front"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--what", "gene"], "no such picture; have .*Did you mean 'genes'"),
        (["--what", "genes"], r"genes are drawn of one front, and there are \[search-pretended, search-tight\]"),
        (["--what", "genes", "--baselines", "x.csv"], "--baselines goes with fronts"),
        (["--baselines", "x.csv"], "'x.csv' does not exist; give --baselines"),
        (["--out", "p.jpg"], r"must end in \.png or \.svg"),
        (["nothing.json"], "'nothing.json' does not exist"),
    ],
)
def test_what_cannot_be_drawn_is_told(
    run: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    code, out, err = vitnas(capsys, "plot", run, *words)
    assert code == 2
    assert re.search(said, err), err
    assert "Traceback" not in err
    assert out == ""


def test_names_are_as_short_as_they_can_be(run: Path, tmp_path: Path) -> None:
    assert list(named_results([run / "search-tight", run / "search-tight"])) == ["search-tight"]
    other = tmp_path / "other"
    shutil.copytree(run / "search-tight", other / "search-tight")
    assert list(named_results([run / "search-tight", other])) == ["digits/search-tight", "other/search-tight"]


def test_growth_is_the_hypervolume_of_what_was_evaluated_by_then(run: Path) -> None:
    results = find_results(run)
    box = Box.around(results)
    for result in results:
        accuracy, latency = (result.evaluated.figures[name] for name in ("accuracy", "latency_ms"))
        values = np.column_stack([-accuracy, latency])
        most = result.front.config["limits"].get("latency_ms", np.inf)
        growth = dict(box.growth(result))
        share = 0.0
        for n in range(1, len(values) + 1):
            seen = values[:n][latency[:n] <= most]
            truth = hypervolume(seen, box.reference) / np.prod(box.reference - box.best)
            assert growth.get(n, share) == pytest.approx(truth)
            share = growth.get(n, share)
        assert share == pytest.approx(box.share_of(result))
        assert 0 < share < 1


def test_searches_that_weigh_different_things_do_not_compare(run: Path) -> None:
    result = find_results(run / "search-tight")[0]
    front = result.front
    other = ParetoFront(front.space, front.fingerprint, front.objectives[:1], front.points)
    with pytest.raises(SearchError, match="'other' weighs .*: their hypervolumes do not compare"):
        Box.around([result, Result("other", result.file, other)])


def test_influence_finds_the_gene_that_matters_and_only_that() -> None:
    rng = np.random.default_rng(0)
    genes = [{"width": int(rng.integers(3)), "idle": int(rng.integers(8)), "rare": 1} for _ in range(60)]
    values = np.array([10.0 * one["width"] for one in genes]) + rng.normal(0, 0.1, 60)
    values[7] = np.nan  # a failed evaluation
    found = influences(genes, ["width", "idle", "rare", "absent"], values)
    assert found["width"] > 0.99
    assert found["idle"] < 0.1  # eight choices of 60 archs would explain an eighth by chance
    assert found["rare"] == found["absent"] == 0.0


def test_influence_is_an_unbiased_share() -> None:
    """Half the variance from the gene, half from noise: by the algebra of one-way analysis of variance."""
    rng = np.random.default_rng(1)
    genes = [{"g": i % 2} for i in range(4000)]
    values = np.array([float(one["g"]) for one in genes]) + rng.normal(0, 0.5, 4000)
    assert influences(genes, ["g"], values)["g"] == pytest.approx(0.5, abs=0.03)


def test_genes_have_one_name_a_choice() -> None:
    archs = [{"genes": {"width": 8, "heads": [2, 3]}}, {"genes": {"width": 8, "heads": [2, 3, 4], "mixer": "pool"}}]
    assert gene_names(archs) == ["width", "heads[0]", "heads[1]", "heads[2]", "mixer"]
    assert flat_genes(archs[0]) == {"width": 8, "heads[0]": 2, "heads[1]": 3}


def test_quantities_leave_out_spreads() -> None:
    one = np.zeros(1)
    figures = {"accuracy": one, "accuracy_std": one, "latency_ms@cpu": one, "latency_ms_std@cpu": one}
    assert Evaluated(["a"], [{}], figures).quantities == ["accuracy", "latency_ms@cpu"]
