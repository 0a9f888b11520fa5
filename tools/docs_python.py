"""Checks the Python of README.md and docs/ with mypy --strict, as users would.

Every block that imports something is a program of its own, or the module that its first line names, such as
``# mine/swiglu.py``. Usage: python tools/docs_python.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NAMED = re.compile(r"# (\S+\.py)\n")
IMPORT = re.compile(r"^(import|from) ", re.MULTILINE)


def programs() -> Iterator[tuple[str, str]]:
    """Path and text of each: blocks of pages, the cells of notebooks, and files of examples."""
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for i, block in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if IMPORT.search(block):
                named = NAMED.match(block)
                yield named[1] if named else f"{_module(page)}_{i}.py", block
    for notebook in sorted((ROOT / "docs").rglob("*.ipynb")):
        yield f"{_module(notebook)}_notebook.py", "\n".join(code_cells(notebook))
    for example in sorted((ROOT / "docs").rglob("*.py")):
        yield f"{_module(example)}.py", example.read_text(encoding="utf-8")


def code_cells(notebook: Path) -> list[str]:
    """The code of a notebook, cell by cell."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def _module(path: Path) -> str:
    return re.sub(r"\W", "_", str(path.relative_to(ROOT).with_suffix("")))


def main() -> int:
    """Exit code of mypy; its messages name the page in the name of the file."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, text in programs():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache" / "docs")]
        environment = {**os.environ, "MYPYPATH": f"{ROOT}{os.pathsep}{folder}"}
        command = [sys.executable, "-m", "mypy", *config, "."]
        return subprocess.run(command, cwd=folder, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
