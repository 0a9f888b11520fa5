"""Every benchmark explains itself and takes the flags of the frame; none is run here."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from vitnas.search_spaces import load_space
from vitnas.supernets.supernet import Supernet

FOLDER = Path(__file__).parents[1] / "benchmarks"
PARTS = ("frame.py", "between_sittings.py", "supernet_figures.py", "supernet_methods.py", "supernet_runs.py")
"""What others are made of."""
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.name not in PARTS)


def _run(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_a_benchmark_explains_itself(path: Path) -> None:
    text = _run(path, "--help")
    assert "--quick" in text
    assert "--json FILE" in text
    assert len(text.split("options:")[0].splitlines()) > 2, "its docstring is its explanation"


def test_the_frame_prints_a_table_and_writes_the_results(tmp_path: Path) -> None:
    script = tmp_path / "counting.py"
    script.write_text(
        f'"""Counts."""\nimport sys\nsys.path.insert(0, {str(FOLDER)!r})\nimport frame\n'
        'frame.run(__doc__, lambda quick: {"steps": 1 if quick else 2})\n'
    )
    out = _run(script, "--quick", "--json", str(tmp_path / "found.json"))
    assert "steps" in out
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found) == {"date", "machine", "command", "results"}
    assert found["results"] == {"steps": 1.0}
    assert found["command"] == "python benchmarks/counting.py --quick"


def test_a_part_measured_alone_leaves_the_other_results_as_they_are(tmp_path: Path) -> None:
    script, file = tmp_path / "counting.py", tmp_path / "found.json"
    script.write_text(
        f'"""Counts."""\nimport sys\nsys.path.insert(0, {str(FOLDER)!r})\nimport frame\n'
        'frame.run(__doc__, lambda quick, only: {only or "all": 3}, {"--only": {"default": None}})\n'
    )
    file.write_text(
        '{"date": "then", "machine": 1, "command": "python benchmarks/counting.py", "results": {"all": 1.0}}'
    )
    _run(script, "--only", "some", "--json", str(file))
    found = json.loads(file.read_text())
    assert found["results"] == {"all": 1.0, "some": 3.0}
    assert (found["date"], found["command"]) == ("then", "python benchmarks/counting.py")
    assert found["parts"]["some"]["command"] == "python benchmarks/counting.py --only some"


def test_committed_results_are_full_runs_of_scripts_that_exist_or_parts_that_say_so() -> None:
    for path in (FOLDER / "results").glob("*.json"):
        if path.name.endswith(".runs.json"):
            continue
        found = json.loads(path.read_text())
        command = f"python benchmarks/{path.stem}.py"
        if "command" in found:
            assert found["command"] == command, path.name
        else:
            assert found["parts"], path.name
        for name, part in found.get("parts", {}).items():
            assert part["command"].startswith(command), (path.name, name)
        assert (FOLDER / f"{path.stem}.py").is_file()
        assert all(isinstance(value, float | int) for value in found["results"].values())


def test_committed_trainings_are_those_that_their_results_tell_of() -> None:
    runs = json.loads((FOLDER / "results" / "supernet_quality.runs.json").read_text())["runs"]
    results = json.loads((FOLDER / "results" / "supernet_quality.json").read_text())["results"]
    trainings = [run for name, run in runs.items() if name.startswith("multi-400-")]
    assert len(trainings) == results["seeds.multi.x1"]
    assert sum(run["passes"] for run in trainings) / len(trainings) == results["passes.multi.x1"]


def test_a_cost_ratio_is_passes_over_those_of_an_equal_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    figures = importlib.import_module("supernet_figures")
    passes = np.array([100.0, 400.0, 1600.0])
    curves = figures.Curves(passes, np.array([[10.0, 20.0, 30.0], [20.0, 40.0, 50.0]]))
    assert np.allclose(curves.equal_passes([15.0, 40.0]), [200.0, 400.0])
    assert np.allclose(curves.equal_passes([35.0, 10.0]), [3200.0, 50.0]), "lines go on beyond the ends"
    assert curves.cost_ratio(400.0, [15.0, 40.0]) == pytest.approx(2**0.5)


def test_scaled_weights_are_those_of_a_network_of_its_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    methods = importlib.import_module("supernet_methods")
    space = load_space("autoformer-mini")
    scaled = methods.Scaled(space)
    plain = Supernet(space)
    images = torch.rand(2, *space.task.image_shape)
    for arch in (space.smallest(), space.largest()):
        assert torch.allclose(scaled(images, arch), scaled.extract(arch)(images), atol=1e-5)
    small = space.smallest()
    [own] = [layer for layer in scaled.extract(small) if hasattr(layer, "linear")]
    [slice_] = [layer for layer in plain.extract(small) if hasattr(layer, "linear")]
    ratio = (space.largest()["width"] / small["width"]) ** 0.5
    assert torch.allclose(own.linear.weight, ratio * slice_.linear.weight)


@pytest.mark.slow
def test_what_is_measured_on_a_gpu_runs_where_one_is_pretended(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    _run(FOLDER / "gpu.py", "--torch-device", "cpu", "--json", str(found))
    results = json.loads(found.read_text())["results"]
    assert all(np.isfinite(list(results.values())))
    assert results["agreement.images"] == results["agreement.answers"] == 0  # one processor agrees with itself
    assert results["processes.difference"] < 1e-3
    assert results["tensorrt.difference"] < 1e-3
    assert results["networks.cpu-torch"] == 3
    assert {"images_ratio", "sandwich_ratio", "archs_per_s.deit", "mape.cpu-torch"} < set(results)


def test_without_a_gpu_the_benchmark_of_one_says_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = subprocess.run([sys.executable, str(FOLDER / "gpu.py")], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("--torch-device is 'cuda', but torch finds ")
