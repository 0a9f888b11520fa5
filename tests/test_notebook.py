"""docs/examples/digits.ipynb: it was executed from top to bottom, and its code still runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "examples" / "digits.ipynb"
MOST_BYTES = 400_000
SHORTER = {"epochs=20": "epochs=2", "evaluations=60, initial=20": "evaluations=20, initial=10"}
"""The same with less to do; the outputs that are kept were made with more."""


@pytest.fixture(scope="module")
def cells() -> list[Any]:
    found: list[Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in found if cell["cell_type"] == "code"]


def test_the_notebook_was_executed_in_order(cells: list[Any]) -> None:
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output["output_type"] for cell in cells for output in cell["outputs"]]
    assert "error" not in kinds
    shown = [kind for cell in cells for output in cell["outputs"] for kind in output.get("data", {})]
    assert shown.count("image/png") >= 3
    assert shown.count("text/html") >= 4


def test_the_notebook_is_small_and_names_no_place_of_a_machine(cells: list[Any]) -> None:
    assert NOTEBOOK.stat().st_size < MOST_BYTES
    texts = json.dumps(
        [output for cell in cells for output in cell["outputs"] if "image/png" not in output.get("data", {})]
    )
    for place in ("/home/", "/root/", "/tmp/", "/Users/"):
        assert place not in texts


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_code_of_the_notebook_runs(cells: list[Any], tmp_path: Path) -> None:
    code = "\n".join("".join(cell["source"]) for cell in cells)
    for long, short in SHORTER.items():
        assert code.count(long) == 1
        code = code.replace(long, short)
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stderr[-4000:]
    assert (tmp_path / "knee" / "model.onnx").is_file()
    assert (tmp_path / "runs" / "digits" / "report.html").is_file()
