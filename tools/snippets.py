"""Checks the Python code in README and docs with ruff, as it checks the package.

Usage: python tools/snippets.py
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_OF_FRAGMENTS = "D,INP,F821,RUF100"
"""Docstrings, and names that the text around a block explains."""


def blocks(page: Path) -> Iterator[tuple[int, str]]:
    """Code blocks of a page, each with the line that it begins on."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        yield text.count("\n", 0, found.start(1)) + 1, found[1]


def write_snippets(folder: Path) -> list[Path]:
    """A file each block, on the lines where the page has it, so that messages name the right place."""
    files = []
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]):
        for line, code in blocks(page):
            name = "_".join(page.relative_to(ROOT).with_suffix("").parts)
            files.append(folder / f"{name}_line_{line}.py")
            files[-1].write_text(code)
    return files


def main() -> int:
    """Exit code of ruff, the worse of the two."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_snippets(folder)
        ruff = [Path(sys.executable).parent / "ruff"]
        config = ["--config", str(ROOT / "pyproject.toml"), "--config", "lint.isort.known-first-party=['vitnas']"]
        codes = [
            subprocess.run(
                [*ruff, "check", *config, "--extend-ignore", NOT_OF_FRAGMENTS, *files], cwd=folder
            ).returncode,
            subprocess.run([*ruff, "format", "--diff", "--quiet", *config, *files], cwd=folder).returncode,
        ]
    print(f"{len(files)} blocks of Python in README and docs")
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
