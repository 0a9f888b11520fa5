"""The command line: what it answers, what it refuses, and the whole walk in small."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from benchmarks.problems.scene import run_here
from vitnas.cli import main

pytestmark = pytest.mark.heavy  # most of them work for a second or more


def vitnas(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    code = 0
    before = sys.argv
    sys.argv = ["vitnas", *map(str, words)]
    try:
        main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.argv = before
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose supernet was trained for a few steps, with a latency table of rough measurements."""
    folder = tmp_path_factory.mktemp("walk")
    config = folder / "quick.toml"
    config.write_text(
        "[train]\nsteps = 12\nbatch_size = 16\nthreads = 1\nloggers = []\n"
        "[profile]\nblock_ms = 0.5\nblocks = 3\nwarmup_ms = 1.0\nmax_warmup_ms = 5.0\nfit_networks = 3\ntest_networks = 3\n"
        "max_passes = 1\n"
        "[search]\nevaluations = 6\ninitial = 4\nbatch = 2\npopulation = 10\ngenerations = 3\n"
    )
    for command in ("train-supernet --out run --config quick.toml", "profile --run run --config quick.toml"):
        said = run_here(command, folder)
        assert said.code == 0, said.err
    return folder / "run"


@pytest.fixture
def config(run: Path) -> Path:
    return run.parent / "quick.toml"


def test_search_export_and_plot_follow_from_a_run(
    run: Path, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = vitnas(
        capsys, "search", "--run", run, "--config", config, "--params", "200k", "--out", tmp_path / "s", "--json"
    )
    assert code == 0, err
    found = json.loads(out)
    assert found["objectives"] == ["accuracy", "latency_ms"]
    (best,) = [point for point in found["points"] if point["best"]]
    assert best["id"] == found["picks"]["best"]["id"]
    assert sum(point["knee"] for point in found["points"]) == (found["picks"]["knee"] is not None)
    assert all(point["errors"]["accuracy"] > 0 for point in found["points"])
    front = tmp_path / "s" / "front.json"
    assert front.is_file()
    assert (tmp_path / "s" / "evaluations.parquet").is_file()

    again = vitnas(
        capsys, "search", "--run", run, "--config", config, "--params", "200k", "--out", tmp_path / "s", "--json"
    )
    assert again[1] == out  # nothing is evaluated twice, the front is the same

    code, out, err = vitnas(capsys, "export", "--run", run, "--front", front, "--out", tmp_path / "out")
    assert code == 0, err
    assert "model.onnx" in out
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["arch_id"] == best["id"]
    assert report["chosen"].startswith(
        "the least costly arch whose accuracy cannot be told from the best, on a front of"
    )
    assert report["chosen"].endswith(best_trade := found["picks"]["best"]["trade"])
    assert best_trade in (tmp_path / "out" / "README.md").read_text()
    assert best_trade in out
    assert report["formats"]["onnx"]["max_difference"] < 1e-4
    assert report["counts"]["num_params"] <= 200_000
    assert list(report["predicted_latency_ms"]) == list(report["measured_latency_ms"]) == ["cpu"]

    code, out, err = vitnas(capsys, "plot", front, "--out", tmp_path / "front.png")
    assert code == 0, err
    assert (tmp_path / "front.png").read_bytes().startswith(b"\x89PNG")
    code, out, err = vitnas(capsys, "plot", tmp_path / "out" / "arch.json", "--out", tmp_path / "net.svg")
    assert code == 0, err
    assert "<svg" in (tmp_path / "net.svg").read_text()


def test_count_prints_exact_totals(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = vitnas(capsys, "count", "--space", "deit", "--arch", "DeiT-S")
    assert code == 0
    assert "22,050,664 parameters, 4,598,882,304 MACs" in out


def test_count_takes_an_arch_file_and_prints_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = vitnas(capsys, "spaces", "show", "autoformer-mini", "--json")
    example = json.loads(out)["example"]
    (tmp_path / "a.json").write_text(json.dumps(example))
    code, out, _ = vitnas(capsys, "count", "--space", "autoformer-mini", "--arch", tmp_path / "a.json", "--json")
    assert code == 0
    (counted,) = json.loads(out)
    assert counted["arch"] == example
    assert counted["num_params"] == sum(layer["num_params"] for layer in counted["layers"])


def test_spaces_lists_every_space(capsys: pytest.CaptureFixture[str]) -> None:
    from vitnas.search_spaces import SPACES

    code, out, _ = vitnas(capsys, "spaces", "--json")
    assert code == 0
    assert [space["name"] for space in json.loads(out)] == SPACES.names()


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


REFUSED = {
    "space": (["count", "--space", "autoformer-tinny", "--smallest"], r"no search space.*Did you mean 'autoformer-tiny'"),
    "which archs": (["count", "--space", "deit"], r"exactly one of --arch, --sample, --smallest and --largest"),
    "arch name": (["count", "--space", "deit", "--arch", "DeiT-XL"], r"no published arch of 'deit' \(have DeiT-Ti"),
    "image size": (["count", "--space", "deit", "--smallest", "--image-size", "100"], r"not a multiple of its patch size 16"),
    "zero classes": (["count", "--space", "deit", "--smallest", "--classes", "0"], r"num_classes = 0: must be at least 1"),
    "data set": (["train-supernet", "--data", "digit"], r"no data ?set named 'digit'.*Did you mean 'digits'"),
    "other space": (["train-supernet", "--resume", "r", "--space", "deit"], r"leave out --space"),
    "scored where": (["score", "--space", "deit", "--sample", "2", "--device", "tpu"], r"'tpu', and must be auto, cpu, cuda, cuda:1 or mps"),
    "wrong data": (["train-supernet", "--resume", "r", "--epochs", "3"], r"leave out --epochs"),
    "no run": (["search", "--run", "nowhere"], r"'nowhere' is no run folder"),
    "no unit": (["search", "--run", "nowhere", "--latency", "5"], r"--latency 5: expected a positive number with a unit"),
    "device": (["profile", "--space", "autoformer-mini", "--device", "gpuu"], r"no device named 'gpuu'"),
    "both": (["profile", "--run", "r", "--space", "deit"], r"--run RUN, or --space NAME"),
    "nothing to profile": (["profile"], r"no trained run below runs/"),
    "sampler": (["train-supernet", "--sampler", "sandwhich"], r"Did you mean 'sandwich'"),
    "no front": (["plot", "none.json"], r"none.json"),
    "suffix": (["plot", "ARCH", "--out", "net.jpeg"], r"\.png"),
    "gene": (["count", "--space", "autoformer-mini", "--arch", "GENE"], r"no gene 'heads2'.*Did you mean 'heads'"),
    "choice": (["count", "--space", "autoformer-mini", "--arch", "CHOICE"], r"'width'.*cannot be 50.*Nearest is 48"),
    "not json": (["count", "--space", "autoformer-mini", "--arch", "BROKEN"], r"not valid JSON"),
    "key": (["train-supernet", "--config", "KEY"], r"\[train\]: unknown key 'epoch'.*Did you mean 'epochs'"),
    "table": (["train-supernet", "--config", "TABLE"], r"unknown table \[trian\].*Did you mean 'train'"),
    "type": (["train-supernet", "--config", "TYPE"], r"\[train\] epochs must be a whole number; got 'three'"),
    "limit": (["search", "--run", "RUN", "--latency", "1us"], r"latency_ms.*cpu"),
    "no table": (["search", "--run", "RUN", "--device", "cpu-openvino"], r"no latency table.*vitnas profile --run"),
    "no device": (["search", "--run", "RUN", "--device", "iphone"], r"no device named 'iphone'.*Did you mean"),
    "run twice": (["train-supernet", "--out", "RUN"], r"already holds a run.*--resume"),
    "what to export": (["export", "--run", "RUN", "--out", "x"], r"--arch FILE, or --front FILE"),
    "format": (["export", "--run", "RUN", "--out", "x", "--arch", "ARCH", "--format", "onx"], r"Did you mean 'onnx'"),
    "timed where": (["export", "--run", "RUN", "--out", "x", "--arch", "ARCH", "--device", "iphone12"], r"'iphone12' cannot time"),
    "precision alone": (["search", "--run", "RUN", "--precision", "w8a8"], r"--precision w8a8 .*add --compress"),
    "precision of a fit": (["predictor", "fit", "--run", "RUN", "--precision", "w4"], r"--precision w4 .*add --compress"),
    "device of a fit": (["predictor", "fit", "--run", "RUN", "--device", "cpu"], r"--device says whose precisions"),
    "foreign arch": (["export", "--run", "RUN", "--out", "x", "--arch", "FOREIGN"], r"belongs to space 'deit'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_with_a_remedy(
    case: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    genes = {"width": 48, "depth": 3, "mlp_ratio": [2.0] * 3, "heads": [2] * 3}
    arch = {"space": "autoformer-mini", "genes": genes}
    files = {
        "ARCH": json.dumps(arch),
        "GENE": json.dumps({**arch, "genes": {**genes, "heads2": 3}}),
        "CHOICE": json.dumps({**arch, "genes": {**genes, "width": 50}}),
        "BROKEN": '{"space": "auto',
        "FOREIGN": json.dumps({"space": "deit", "genes": {}}),
        "KEY": "[train]\nepoch = 3\n",
        "TABLE": "[trian]\nepochs = 3\n",
        "TYPE": '[train]\nepochs = "three"\n',
    }
    words, message = REFUSED[case]
    named = {name: write(tmp_path / f"{name}.txt", text) for name, text in files.items()} | {"RUN": run}
    before = set(tmp_path.rglob("*"))
    code, _, err = vitnas(capsys, *(named.get(word, word) for word in words))
    assert code == 2, err
    assert err.splitlines()[-1].startswith("error: ")  # a table that was measured beside other work warns before
    assert "Traceback" not in err
    assert re.search(message, err, re.DOTALL), err
    assert set(tmp_path.rglob("*")) == before, "refused input must leave nothing behind"
