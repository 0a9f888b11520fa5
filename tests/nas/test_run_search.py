"""`vitnas search` as people call it."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from pathlib import Path

import pytest

from vitnas.cli import app, main
from vitnas.files import read_json
from vitnas.nas.fit_predictor import fit_predictor
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.scores.remembered import remembered
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.nas.settings import FitSettings
from vitnas.run import RunFolder, newest_run
from vitnas.supernets.weights.checkpoints import checkpoint_folders

pytestmark = pytest.mark.heavy  # most of them work for a second or more

QUICK = "[search]\nevaluations = 6\ninitial = 4\nbatch = 2\npopulation = 10\ngenerations = 3\n"


@pytest.fixture
def vitnas(monkeypatch, capsys, tmp_path):
    (tmp_path / "quick.toml").write_text(QUICK)

    def call(*words):
        monkeypatch.setattr(
            "sys.argv", ["vitnas", "search", "--config", str(tmp_path / "quick.toml"), *map(str, words)]
        )
        code = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def home(tmp_path, trained, monkeypatch) -> Path:
    """A folder with runs/small, to walk in."""
    shutil.copytree(trained.path, tmp_path / "runs" / "small")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_newest_run_is_found_and_named(vitnas, home):
    code, out, err = vitnas("--device", "phone", "--json")
    assert code == 0, err
    assert "judged by the supernet of 'runs/small', the newest run below runs/" in err
    found = json.loads(out)
    assert found["objectives"] == ["accuracy", "latency_ms"]
    folder = home / "runs" / "small" / "search-phone"
    assert {p.name for p in folder.iterdir()} == {
        ".lock", "study.db", "search.log", "front.json", "front.png", "evaluations.parquet",
    }  # fmt: skip
    front = ParetoFront.load(folder / "front.json", RunFolder(home / "runs" / "small").space)
    for point in front.points:
        assert point.provenance == {"accuracy": "measured", "latency_ms": "table"}
        assert point.errors["accuracy"] > 0
        assert point.errors["latency_ms"] > 0
    assert "6 evaluated" in (folder / "search.log").read_text()


def test_an_estimated_device_needs_no_table_and_says_what_it_is_worth(vitnas, home):
    code, _, err = vitnas("--device", "iphone12", "--objective", "accuracy", "--params", "1M", "--size", "4MB")
    assert code == 0, err
    assert "device 'iphone12' is not here: its latencies are estimated, MAPE" in err
    assert (home / "runs/small/latency/iphone12.parquet").is_file()
    front = ParetoFront.load(home / "runs/small/search-iphone12/front.json")
    assert len(front.points) == 1
    assert front.config["limits"] == {"num_params": 1e6, "weight_bytes": 4e6}


def test_strict_refuses_a_table_that_misses_its_error(vitnas, home):
    code, _, err = vitnas("--device", "iphone12", "--objective", "accuracy", "--strict")
    assert code == 2
    assert "over its limit of 10%" in err
    assert "without --strict the search goes on" in err
    assert not (home / "runs/small/search-iphone12").exists()


def test_several_devices_give_a_front_each(vitnas, home):
    code, out, err = vitnas("--device", "cpu", "--device", "phone", "--latency", "phone=2ms", "--latency", "3ms")
    assert code == 0, err
    assert "nothing is measured while searching: the 'cpu' table is of another device" in err
    assert "on the front of every device: " in out
    folder = home / "runs/small/search-cpu+phone"
    assert ParetoFront.load(folder / "front-phone.json").config["limits"] == {"latency_ms": 2.0}
    assert ParetoFront.load(folder / "front.json").config["limits"] == {"latency_ms@cpu": 3.0, "latency_ms@phone": 2.0}
    assert (folder / "front-cpu.png").is_file()


def test_warm_start_and_included_archs_come_first(vitnas, home):
    import pyarrow.parquet as pq

    assert vitnas("--device", "phone")[0] == 0
    earlier = home / "runs/small/search-phone"
    space = RunFolder(home / "runs/small").space
    (home / "mine.json").write_text(json.dumps(space.smallest().to_json()))
    code, _, err = vitnas(
        "--device", "phone", "--warm-start", earlier, "--include", "mine.json", "--out", "next", "--seed", 3
    )
    assert code == 0, err
    ids = [row["arch_id"] for row in pq.read_table("next/evaluations.parquet").to_pylist()]
    front = [p.arch.id for p in ParetoFront.load(earlier / "front.json").points]
    wanted = list(dict.fromkeys([space.smallest().id, *front]))[:6]
    assert ids[: len(wanted)] == wanted


def test_what_a_fit_evaluated_is_where_the_search_begins(vitnas, home, monkeypatch):
    import pyarrow.parquet as pq

    run = RunFolder.open(home / "runs/small")
    fit = fit_predictor(run, FitSettings(samples=14, predictor="ridge"), progress=False)
    asked, score = [], SupernetScore.__call__
    monkeypatch.setattr(SupernetScore, "__call__", lambda self, arch: (asked.append(arch.id), score(self, arch))[1])
    code, _, err = vitnas("--device", "phone")
    assert code == 0, err
    assert "14 archs that `vitnas predictor fit` evaluated keep the limits; the search begins with them" in err
    rows = pq.read_table("runs/small/search-phone/evaluations.parquet").to_pylist()
    known = dict(zip(fit.archs, fit.scores, strict=True))
    assert {row["arch_id"]: row["accuracy"] for row in rows if row["arch_id"] in known} == known
    assert len(rows) <= 14 + 6  # the budget is for others
    assert asked
    assert not set(asked) & set(known)
    (home / "runs/small/predictor/study.db").unlink()
    code, _, err = vitnas("--device", "phone", "--out", "anew")
    assert code == 0, err
    assert "begins with them" not in err


def test_what_was_evaluated_on_other_weights_is_not_taken(home):
    run = RunFolder.open(home / "runs/small")
    fit_predictor(run, FitSettings(samples=14, predictor="ridge"), progress=False)
    [origin] = {name.name for name in checkpoint_folders(run)[-1:]}
    assert len(remembered(run, {"supernet": origin})) == 14
    assert remembered(run, {"supernet": "step-99999999"}) == {}
    assert remembered(run, {"supernet": origin, "torch_device": "cuda (Pretended 9000)"}) == {}


def test_without_a_run_it_says_so_and_scores_without_training(vitnas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = vitnas(
        "--space", "autoformer-mini", "--image-size", "8", "--classes", "10", "--channels", "1", "--device", "iphone12",
        "--latency", "5ms",
    )  # fmt: skip
    assert code == 0, err
    assert "no trained supernet: archs are scored without training, and 'score' stands for accuracy" in err
    folder = tmp_path / "searches" / "autoformer-mini-iphone12"
    front = ParetoFront.load(folder / "front.json")
    assert [o.name for o in front.objectives] == ["score", "latency_ms"]
    assert {p.provenance["latency_ms"] for p in front.points} == {"estimated"}
    assert {p.provenance["score"] for p in front.points} == {"training-free"}
    assert front.config["origin"]["supernet"].startswith("none: scored without training among archs ")
    first = (folder / "front.json").read_bytes()
    assert vitnas(
        "--space", "autoformer-mini", "--image-size", "8", "--classes", "10", "--channels", "1", "--device", "iphone12",
        "--latency", "5ms",
    )[0] == 0  # fmt: skip
    assert (folder / "front.json").read_bytes() == first


def test_nothing_below_runs_is_told(vitnas, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = vitnas("--device", "cpu")
    assert code == 2
    assert "no trained run below runs/: searching space 'efficientformerv2' without training" in err
    assert "no latency table" in err
    assert "vitnas profile --space efficientformerv2 --device cpu" in err


def test_the_newest_run_is_the_one_with_the_newest_weights(trained, tmp_path):
    assert newest_run(tmp_path) is None
    for name, age in (("old", 100), ("new", 50), ("empty", 0)):
        shutil.copytree(trained.path, tmp_path / name)
        for weights in (tmp_path / name / "checkpoints").iterdir():
            stamp = weights.stat().st_mtime - age
            os.utime(weights, (stamp, stamp))
    shutil.rmtree(tmp_path / "empty" / "checkpoints")
    found = newest_run(tmp_path)
    assert found is not None
    assert found.path.name == "new"


def test_a_run_still_training_is_refused(vitnas, home):
    with (home / "runs/small/.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        code, _, err = vitnas("--device", "phone")
    assert code == 2
    assert "run 'runs/small' is still training; wait for its end" in err


REFUSED = {
    "objective": (["--objective", "acuracy"], "unknown objective 'acuracy'; .*Did you mean 'accuracy'"),
    "no unit": (["--latency", "5"], "--latency 5: expected a positive number with a unit"),
    "no unit of energy": (["--energy", "5"], "--energy 5: expected a positive number with a unit, such as 5mJ"),
    "impossible": (["--latency", "0.0001ms"], "latency_ms <= 0.0001 on device 'phone'.*reach from"),
    "other device": (["--latency", "cpu=1ms"], "limit on latency_ms@cpu: the search is not for that device"),
    "no energy": (["--energy", "5mJ"], "cannot limit 'energy_mj', no table knows it"),
    "zero budget": (["--evaluations", "0"], "--evaluations must be at least 1; got 0"),
    "no time": (["--time", "0m"], "--time 0m: must be more than zero"),
    "unknown device": (["--device", "fone"], "no device named 'fone'"),
    "no front": (["--warm-start", "nothing.json"], "cannot read a front: 'nothing.json' does not exist"),
    "both": (["--run", "runs/small", "--space", "deit"], "give --run or --space, not both"),
    "task of a run": (["--classes", "3"], "a run has its own"),
    "table of another device": (
        ["--table", "runs/small/latency/cpu.parquet"],
        "is a table of device 'cpu', not of 'phone'",
    ),
    "ray": (["--ray-address", "127.0.0.1:9"], "the Ray cluster at '127.0.0.1:9' does not answer"),
    "arch": (["--include", "no.json"], "no such file, and no published arch"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_told_before_any_work(vitnas, home, case):
    import re

    words, message = REFUSED[case]
    device = [] if case == "unknown device" else ["--device", "phone"]
    code, _, err = vitnas(*device, *words)
    assert code == 2
    assert re.search(message, err, re.DOTALL), err
    assert not (home / "runs/small/search-phone").exists()


def test_a_front_of_another_space_is_refused(vitnas, home, tmp_path):
    assert vitnas("--device", "phone", "--out", "first")[0] == 0
    front = read_json(Path("first/front.json"))
    Path("other.json").write_text(json.dumps({**front, "fingerprint": "0" * 12}))
    code, _, err = vitnas("--device", "phone", "--warm-start", "other.json")
    assert code == 2
    assert "is of space" in err


def test_the_command_is_one_of_the_program():
    assert "search" in {command.callback.__name__ for command in app.registered_commands}
