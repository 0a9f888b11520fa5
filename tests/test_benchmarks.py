"""Every benchmark explains itself and takes the flags of the frame; none is run here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"
PARTS = ("frame.py", "between_sittings.py")
"""What others are made of."""
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.name not in PARTS)


def _run(path: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, str(path), *arguments], capture_output=True, text=True, timeout=120, check=True
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
