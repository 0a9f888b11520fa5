"""A bare environment: an interpreter that finds the packages of requirements-bare.txt, what they need, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def make_bare_environment(folder: Path) -> Path:
    """Links the installed packages into a new environment, so that no network is needed; its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
    (packages,) = folder.glob("lib/python*/site-packages")
    for found in closure((ROOT / "requirements-bare.txt").read_text().splitlines()):
        for name in {file.parts[0] for file in found.files or () if file.parts[0] not in ("..", "__pycache__")}:
            link = packages / name
            if not link.exists():
                link.symlink_to(Path(str(found.locate_file(name))))
    (packages / "vitnas.pth").write_text(str(ROOT))
    return folder / "bin" / "python"


def closure(lines: list[str]) -> list[Distribution]:
    """The packages that are named, and those that they need in turn."""
    open_ = [Requirement(line) for line in lines if line and not line.startswith("#")]
    found: dict[str, Distribution] = {}
    while open_:
        requirement = open_.pop()
        name = canonicalize_name(requirement.name)
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(name)
        assert requirement.specifier.contains(found[name].version, prereleases=True), requirement
        open_.extend(map(Requirement, found[name].requires or ()))
    return list(found.values())
