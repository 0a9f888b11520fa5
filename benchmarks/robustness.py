"""Are malformed inputs refused cleanly, and do killed commands recover?

Keys malformed_total, malformed_clean, kills_total and kills_recovered; of each command kills.COMMAND and
recovered.COMMAND.

Malformed: every case of `problems/malformed.py` in a fresh copy of a folder with one good file of every kind. Clean
is exit code 2, a message on stderr, no traceback, and not one file or folder of the copy changed, added or gone.

Kills: `train-supernet`, `profile`, `search` and `export` are killed with SIGKILL, with all processes they started, at
random moments between their start and the end of an undisturbed run, and given again (`--resume` for a training).
Recovered is the result of the undisturbed run: the same bytes of weights, optimiser and state; every layer and network
measured; the same bytes of front.json and each arch evaluated once; the same bytes of weights and ONNX file.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from frame import run, show
from problems.malformed import RUN, cases, snapshot
from problems.scene import SETTINGS, make_scene, run_forked

KILLS = 50
SETTINGS_OF_KILLS = (
    SETTINGS.replace("steps = 4", "steps = 400")
    .replace("checkpoint_every = 2", "checkpoint_every = 40")
    .replace("evaluations = 8", "evaluations = 40")
    .replace("fit_networks = 2", "fit_networks = 4\nblock_ms = 5.0\nwarmup_ms = 20.0")
    .replace("test_networks = 2", "test_networks = 4")
)


def measure(quick: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VITNAS_CACHE"] = str(Path(folder) / "cache")
        _import_everything()
        scene = make_scene(Path(folder) / "scene", run_forked)
        unclean, total = _malformed(scene, Path(folder) / "copy", quick)
        show("not clean", ("input", "why"), unclean)
        (scene / "settings.toml").write_text(SETTINGS_OF_KILLS)
        killed = _kills(scene, Path(folder) / "copy", 4 if quick else KILLS)
    recovered = {work: sum(hits) for work, hits in killed.items()}
    show("kills", ("command", "kills", "recovered"), [(w, len(killed[w]), recovered[w]) for w in killed])
    return {
        "malformed_total": total,
        "malformed_clean": total - len(unclean),
        "kills_total": sum(map(len, killed.values())),
        "kills_recovered": sum(recovered.values()),
        **{f"kills.{work}": len(hits) for work, hits in killed.items()},
        **{f"recovered.{work}": n for work, n in recovered.items()},
    }


def _import_everything() -> None:
    """What commands import when they begin, so that each fork finds it there."""
    import matplotlib.figure  # noqa: F401
    import onnxruntime  # noqa: F401
    import optuna  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401
    import scipy.optimize  # noqa: F401
    import torch

    import vitnas.cli
    import vitnas.deployment.export
    import vitnas.latency_lut.remote.elsewhere
    import vitnas.nas.run_search
    import vitnas.reporting.html
    import vitnas.reporting.pictures
    import vitnas.supernets.training  # noqa: F401

    torch.set_num_threads(1)  # the threads of a parent are not there in a fork


# -- malformed inputs --------------------------------------------------------------------------


def _malformed(scene: Path, copy: Path, quick: bool) -> tuple[list[tuple[str, str]], int]:
    every = cases()[:: 10 if quick else 1]
    unclean = []
    for i, case in enumerate(every):
        _progress(f"malformed {i + 1} of {len(every)}")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(scene, copy)
        case.spoil(copy)
        before = snapshot(copy)
        said = run_forked(case.command, copy)
        after = snapshot(copy)
        changed = sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
        if said.code != 2 or not said.err.strip() or "Traceback" in said.err or changed:
            unclean.append((case.name, f"exit code {said.code}, changed {changed[:3]}, {said.err.strip()[-200:]}"))
    return unclean, len(every)


# -- kills -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """A command that is killed, how it is given again, and what it leaves that must be the same."""

    command: str
    result: Callable[[Path], Any]
    again: Callable[[Path], str]


def _training(folder: Path) -> Any:
    last = folder / "runs/new/checkpoints/step-00000400"
    return {path.name: path.read_bytes() for path in sorted(last.iterdir())}


def _table(folder: Path) -> Any:
    from vitnas.latency_lut.table import LatencyTable

    table = LatencyTable.read(folder / "new.parquet")
    rows = sorted((row.spec.key, row.timing.provenance) for row in table.rows)
    return rows, sorted((network.arch, network.held_out) for network in table.header.networks)


def _front(folder: Path) -> Any:
    import pandas as pd

    archs = pd.read_parquet(folder / "found/evaluations.parquet")["arch_id"]
    return (folder / "found/front.json").read_bytes(), sorted(archs)


def _export(folder: Path) -> Any:
    names = sorted(str(path.relative_to(folder)) for path in (folder / "new").rglob("*"))
    same = [(folder / "new" / name).read_bytes() for name in ("weights.safetensors", "model.onnx", "arch.json")]
    return names, same


TRAIN = "train-supernet --config settings.toml --space tiny.toml --out runs/new --threads 1"
PROFILE = "profile --config settings.toml --space tiny.toml --device cpu --out new.parquet"
SEARCH = f"search --config settings.toml --run {RUN} --device phone --out found"
EXPORT = f"export --run {RUN} --arch arch.json --format torch,onnx --out new"

WORKS = {
    "train": Work(
        TRAIN,
        _training,
        lambda folder: "train-supernet --resume runs/new" if (folder / "runs/new/config.toml").exists() else TRAIN,
    ),
    "profile": Work(PROFILE, _table, lambda folder: PROFILE),
    "search": Work(SEARCH, _front, lambda folder: SEARCH),
    # An export that is there is whole; a kill between that and the end of the command loses nothing.
    "export": Work(EXPORT, _export, lambda folder: EXPORT + (" --force" if (folder / "new").exists() else "")),
}


def _kills(scene: Path, copy: Path, kills: int) -> dict[str, list[bool]]:
    """For each command, whether each of its kills did no harm."""
    rng = np.random.default_rng(0)
    found: dict[str, list[bool]] = {work: [] for work in WORKS}
    expected: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for name, work in WORKS.items():
        _progress(f"undisturbed {name}")
        start = time.monotonic()
        _fresh(scene, copy)
        _finish(work.command, copy)
        seconds[name] = time.monotonic() - start
        expected[name] = work.result(copy)
    while (done := sum(map(len, found.values()))) < kills:
        name = list(WORKS)[done % len(WORKS)]
        _progress(f"kill {done + 1} of {kills}: {name}")
        _fresh(scene, copy)
        if _kill(WORKS[name].command, copy, rng.uniform(0, seconds[name])):
            try:
                _finish(WORKS[name].again(copy), copy)
                found[name].append(WORKS[name].result(copy) == expected[name])
            except (RuntimeError, OSError) as error:
                print(f"{name}: {error}", file=sys.stderr)
                found[name].append(False)
    return found


def _fresh(scene: Path, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(scene, copy)


def _start(command: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "vitnas.cli", *shlex.split(command)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _kill(command: str, folder: Path, after_s: float) -> bool:
    """Whether the command was still at work then."""
    process = _start(command, folder)
    try:
        process.communicate(timeout=after_s)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True


def _finish(command: str, folder: Path) -> None:
    process = _start(command, folder)
    _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"vitnas {command}: {said[-500:]}")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    run(__doc__, measure)
