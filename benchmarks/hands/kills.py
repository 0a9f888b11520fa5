"""Commands that are killed at a random moment, with all that they started, and given again."""

from __future__ import annotations

import json
import re
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from problems.malformed import RUN
from problems.scene import SETTINGS, Said

from hands.canaries import Canaries
from hands.jobs import Job, show_progress, side_by_side

SETTINGS_OF_KILLS = (
    SETTINGS.replace("steps = 4", "steps = 400")
    .replace("checkpoint_every = 2", "checkpoint_every = 40")
    .replace("evaluations = 8", "evaluations = 40")
    .replace("fit_networks = 2", "fit_networks = 4\nblock_ms = 5.0\nwarmup_ms = 20.0")
    .replace("test_networks = 2", "test_networks = 4")
)
TRAIN = "train-supernet --config settings.toml --space tiny.toml --out runs/new --threads 1"
EXPORT = f"export --run {RUN} --arch arch.json --format torch,onnx --out new"


@dataclass(frozen=True)
class Work:
    """A command that is killed, what it leaves that must be the same, and how it is given again."""

    command: str
    result: Callable[[Path, Said], Any]
    again: Callable[[Path], str] | None = None


@dataclass
class Killed:
    """What came of the kills of one command."""

    recovered: list[bool] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)


def _training(folder: Path, said: Said) -> Any:
    last = folder / "runs/new/checkpoints/step-00000400"
    return {path.name: path.read_bytes() for path in sorted(last.iterdir())}


def _table(folder: Path, said: Said) -> Any:
    from vitnas.latency_lut.table import LatencyTable

    table = LatencyTable.read(folder / "new.parquet")
    rows = sorted((row.spec.key, row.timing.provenance) for row in table.rows)
    return rows, sorted((str(network.arch), network.held_out) for network in table.header.networks)


def _front(folder: Path, said: Said) -> Any:
    import pandas as pd

    archs = pd.read_parquet(folder / "found/evaluations.parquet")["arch_id"]
    return (folder / "found/front.json").read_bytes(), sorted(archs)


def _export(name: str) -> Callable[[Path, Said], Any]:
    def result(folder: Path, said: Said) -> Any:
        names = sorted(str(path.relative_to(folder)) for path in (folder / name).rglob("*"))
        same = [(folder / name / file).read_bytes() for file in ("weights.safetensors", "model.onnx", "arch.json")]
        return names, same

    return result


def _predictor(folder: Path, said: Said) -> Any:
    report = json.loads((folder / "fitted/report.json").read_text())
    weights = (folder / "fitted/predictor.safetensors").read_bytes()
    return weights, report["archs"], report["scores"], report["predicted"]


def _answers(folder: Path, said: Said) -> Any:
    return {path.name: path.read_bytes() for path in sorted((folder / "answers").iterdir()) if path.name[0] != "."}


def _page(folder: Path, said: Said) -> Any:
    return page_text(folder / "page.html")


def page_text(page: Path) -> str:
    """A page but for the moment at which it was made."""
    return re.sub(r'"made":"[^"]*"', "", page.read_text(encoding="utf-8"))


WORKS = {
    "train": Work(
        TRAIN,
        _training,
        lambda folder: "train-supernet --resume runs/new" if (folder / "runs/new/config.toml").exists() else TRAIN,
    ),
    "profile": Work("profile --config settings.toml --space tiny.toml --device cpu --out new.parquet", _table),
    "search": Work(f"search --config settings.toml --run {RUN} --device phone --out found", _front),
    # An export that is there is whole; a kill between that and the end of the command loses nothing.
    "export": Work(EXPORT, _export("new"), lambda folder: EXPORT + (" --force" if (folder / "new").exists() else "")),
    "force": Work(EXPORT.replace("--out new", "--out knee --force"), _export("knee")),
    "predictor": Work(f"predictor fit --run {RUN} --samples 40 --predictor ridge --out fitted", _predictor),
    "teach": Work(f"teach --teacher run:{RUN} --data digits --epochs 20 --out answers", _answers),
    "report": Work(f"report {RUN} --out page.html", _page),
    "grow": Work("grow --space tiny.toml --params 90k --json", lambda folder, said: said.out),
}
BY_LANE = (("train", "search", "predictor", "report"), ("profile", "export", "force", "teach", "grow"))
"""What each lane of `jobs` kills."""


def kill_all(scene: Path, copy: Path, kills: int, works: tuple[str, ...] = tuple(WORKS)) -> dict[str, Killed]:
    """What came of this many kills, of each command as many."""
    shares = {name: kills // len(works) + (i < kills % len(works)) for i, name in enumerate(works)}
    lanes = [{name: shares[name] for name in lane if name in shares} for lane in BY_LANE]
    found = side_by_side(lambda i: _lane(scene, copy.with_name(f"{copy.name}-{i}"), lanes[i], i))
    return {name: each[name] for name in works for each in found if name in each}


def _lane(scene: Path, copy: Path, shares: dict[str, int], seed: int) -> dict[str, Killed]:
    rng = np.random.default_rng(seed)
    return {name: _kill(scene, copy, name, kills, rng) for name, kills in shares.items()}


def _kill(scene: Path, copy: Path, name: str, kills: int, rng: np.random.Generator) -> Killed:
    """Kills that met the command at work; one that had ended is tried again."""
    work, found = WORKS[name], Killed()
    _fresh(scene, copy)
    start = time.monotonic()
    expected = work.result(copy, _finish(work.command, copy))
    seconds, names = time.monotonic() - start, _names(copy)
    while len(found.recovered) < kills:
        show_progress(f"{name}: kill {len(found.recovered) + 1} of {kills}")
        canaries = _fresh(scene, copy)
        job = Job.of(work.command, copy)
        if job.ended(rng.uniform(0, seconds)):
            continue
        job.kill()
        try:
            said = _finish(work.again(copy) if work.again else work.command, copy)
            found.recovered.append(work.result(copy, said) == expected)
            if not found.recovered[-1]:
                print(f"{name}: another result", file=sys.stderr)
        except (RuntimeError, OSError, ValueError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            found.recovered.append(False)
        found.lost += canaries.lost()
        found.left |= {path for path in _names(copy) - names if "/." in f"/{path}"}
    return found


def _fresh(scene: Path, copy: Path) -> Canaries:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(scene, copy)
    (copy / "settings.toml").write_text(SETTINGS_OF_KILLS)
    return Canaries.plant(copy)


def _names(copy: Path) -> set[str]:
    return {str(path.relative_to(copy)) for path in copy.rglob("*")}


def _finish(command: str, folder: Path) -> Said:
    said = Job.of(command, folder).said()
    if said.code != 0:
        raise RuntimeError(f"vitnas {command}: {said.err[-500:]}")
    return said
