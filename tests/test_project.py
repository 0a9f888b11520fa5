"""The files around the code say the same as the code and as each other."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import vitnas

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_citation_names_this_version() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == vitnas.__version__
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["license"] == PROJECT["license"]


def test_pre_commit_runs_what_make_check_runs() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    recipe = re.search(r"^check: .*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe is not None
    lines = [line.strip().replace("$(BIN)", ".venv/bin").removesuffix(" .") for line in recipe[1].splitlines()]
    assert [hook["entry"] for hook in hooks] == lines


def test_continuous_integration_tries_every_version_that_is_promised() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    promised = [c.split()[-1] for c in PROJECT["classifiers"] if re.search(r"Python :: 3\.\d+$", c)]
    assert jobs["test"]["strategy"]["matrix"]["python-version"] == promised
    targets = {word for job in jobs.values() for s in job["steps"] if "run" in s for word in s["run"].split()[1:]}
    assert targets <= set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_forms_of_issues_are_complete() -> None:
    for form in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"):
        found = yaml.safe_load(form.read_text())
        if form.name != "config.yml":
            assert found["name"]
            assert found["description"]
            assert all("label" in part["attributes"] for part in found["body"])


def test_the_site_has_every_page() -> None:
    names = re.findall(r"^ +- (?:[\w ]+: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages == set(names) - {"index.md", "contributing.md", "changelog.md"}
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("code", "message"), [("x  = 1\n", "-x  = 1"), ("import os\n", "F401"), ("x = 1\n", "")])
def test_code_in_pages_is_checked(tmp_path: Path, code: str, message: str) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for file in ("tools/snippets.py", "pyproject.toml"):
        (tmp_path / file).write_bytes((ROOT / file).read_bytes())
    (tmp_path / "README.md").write_text(f"# Title\n\n```python\n{code}```\n")
    done = subprocess.run([sys.executable, tools / "snippets.py"], capture_output=True, text=True, timeout=60)
    assert message in done.stdout
    assert done.returncode == (1 if message else 0), done.stdout + done.stderr
