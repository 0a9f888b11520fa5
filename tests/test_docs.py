"""The pages: links lead somewhere, commands are ones that vitnas takes, README's examples run."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from vitnas.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"^(?:    )?(?:\$ )?(vitnas [a-z].*)$", re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to headings."""
    heads = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        if target.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        assert found.exists(), f"{target} does not exist"
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), f"{target}: no such heading"


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for line in COMMAND.findall(page.read_text().replace("\\\n", " ")):
            yield f"{page.relative_to(ROOT)}", line


@pytest.mark.heavy
@pytest.mark.parametrize(("page", "line"), sorted(set(commands())), ids=lambda text: text[:70])
def test_commands_are_ones_that_vitnas_takes(page: str, line: str) -> None:
    """Parsed with all their options, as the command line does before it begins to work."""
    words = shlex.split(line, comments=True)[1:]
    if "COMMAND" in words or "..." in line:
        return
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        if not words or words[0].startswith("-"):
            return
        assert words[0] in command.commands, f"{page}: there is no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    if "--help" not in words:
        command.make_context("vitnas", words)


def _run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{arguments}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_the_walk_of_the_readme_runs(tmp_path: Path) -> None:
    """As it stands there, but for fewer epochs."""
    (tmp_path / "vitnas.toml").write_text(
        "[train]\nepochs = 2\n[search]\nevaluations = 30\ninitial = 10\n"
        "[profile]\nblock_ms = 5\nblocks = 5\nwarmup_ms = 20\nfit_networks = 10\ntest_networks = 5\n"
    )
    walk = (ROOT / "README.md").read_text().split("## The walk")[1].split("```sh\n")[1].split("```")[0]
    for line in walk.strip().splitlines():
        _run(tmp_path, *shlex.split(line))
    assert (tmp_path / "best" / "model.onnx").is_file()
    assert (tmp_path / "runs" / "digits" / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_python_of_the_readme_runs(tmp_path: Path) -> None:
    """As a new user runs it: the ten lines, in an empty folder."""
    code = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    _run(tmp_path, sys.executable, "-c", code)
    assert (tmp_path / "knee" / "model.onnx").is_file()
    assert (tmp_path / "runs" / "python" / "search-cpu" / "front.json").is_file()
