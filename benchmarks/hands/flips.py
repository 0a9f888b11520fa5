"""Single bits that flip in files that vitnas wrote.

A flip is noticed if the file is refused, if a message names the damage, or if every figure read is what it was.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from problems.malformed import FRONT, NEWEST, RUN, TABLE
from problems.scene import SETTINGS, Said, run_here

from hands.jobs import LANES, Job, show_progress, side_by_side
from hands.kills import page_text

PER_FILE = 32
SEARCH_AGAIN = f"search --config settings.toml --run {RUN} --device phone"


@dataclass(frozen=True)
class Kind:
    """A kind of file, and what reads all figures that are in it.

    Attributes:
        file: in the scene.
        read: gives the figures as text, in a folder.
        changes: whether reading changes the folder, so that each flip needs a fresh one.
    """

    file: str
    read: Callable[[Path], Said]
    changes: bool = False


@dataclass
class Flipped:
    """What came of the flips of one kind."""

    noticed: int = 0
    unnoticed: list[str] = field(default_factory=list)
    crashed: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.noticed + len(self.unnoticed) + len(self.crashed)


def command(text: str, *files: str) -> Callable[[Path], Said]:
    """What a command prints, and the files that it writes."""

    def read(folder: Path) -> Said:
        said = run_here(text, folder)
        written = [(folder / file).read_bytes().hex() for file in files] if said.code == 0 else []
        return Said(said.code, "\n".join([said.out, *written]), said.err)

    return read


def figures(read: Callable[[Path], object]) -> Callable[[Path], Said]:
    """What a function of vitnas reads, as text; its errors as the command line prints them."""

    def told(folder: Path) -> Said:
        from vitnas.errors import VitnasError

        err = io.StringIO()
        try:
            with contextlib.redirect_stderr(err):
                return Said(0, repr(read(folder)), err.getvalue())
        except VitnasError as error:
            return Said(2, "", f"error: {error}")
        except Exception:
            return Said(1, "", traceback.format_exc())

    return told


def _page(folder: Path) -> Said:
    said = run_here(f"report {RUN} --out page.html", folder)
    return Said(said.code, page_text(folder / "page.html"), said.err) if said.code == 0 else said


def _table(folder: Path) -> object:
    from vitnas.latency_lut.table import LatencyTable

    table = LatencyTable.read(folder / TABLE)
    return table.header, table.rows


def _imported(folder: Path) -> object:
    from vitnas.errors import DeviceError
    from vitnas.latency_lut.table import LatencyTable

    (folder / "new.parquet").unlink(missing_ok=True)
    said = run_here(f"profile --run {RUN} --import measured.json --out new.parquet", folder)
    if said.code != 0:
        raise DeviceError(said.err)
    return LatencyTable.read(folder / "new.parquet").rows


def _predictions(folder: Path) -> object:
    from vitnas.predictors import load_predictor
    from vitnas.run import RunFolder

    space = RunFolder.open(folder / RUN).space
    archs = list(space.sample(64, np.random.default_rng(0)))
    found = load_predictor(folder / RUN / "predictor/predictor.safetensors", space).predict(archs)
    return found.mean.tolist(), found.std.tolist()


def _points(folder: Path) -> object:
    from vitnas.nas.pareto.front import ParetoFront
    from vitnas.run import RunFolder

    return ParetoFront.load(folder / FRONT, RunFolder.open(folder / RUN).space).points


def _answers(folder: Path) -> object:
    from vitnas.supernets.training.teachers.stored import StoredAnswers

    answers = StoredAnswers.open(folder / "answers")
    return answers.to_json(), {name: tensor.tolist() for name, tensor in answers.read(0).items()}


def _exported(folder: Path) -> Said:
    """Everything that a check of an export says, but for latencies, which are measured anew."""
    said = run_here("verify knee --no-measure --json", folder)
    if said.code != 0:
        return said
    report = json.loads((folder / "knee/report.json").read_text())
    return Said(0, json.dumps([json.loads(said.out), report], sort_keys=True), said.err)


EVALUATED = command(f"evaluate --run {RUN} --largest --json")
LONG = "runs/long"
LAST = f"{LONG}/checkpoints/step-00000004"
TRAINED = command(
    f"train-supernet --resume {LONG}",
    *(f"{LONG}/checkpoints/step-00000006/{name}.safetensors" for name in ("supernet", "optimizer")),
)
KINDS = {
    "evaluations": Kind(f"{RUN}/search-phone/evaluations.parquet", _page),
    "table": Kind(TABLE, figures(_table)),
    "front": Kind(FRONT, figures(_points)),
    "study": Kind(f"{RUN}/search-phone/study.db", command(SEARCH_AGAIN, FRONT), changes=True),
    "predictor": Kind(f"{RUN}/predictor/predictor.safetensors", figures(_predictions)),
    "predictor report": Kind(f"{RUN}/predictor/report.json", command(f"predictor report --run {RUN} --json")),
    "weights": Kind(f"{NEWEST}/supernet.safetensors", EVALUATED),
    "state": Kind(f"{LAST}/state.json", TRAINED, changes=True),
    "optimizer": Kind(f"{LAST}/optimizer.safetensors", TRAINED, changes=True),
    "run config": Kind(f"{RUN}/config.toml", EVALUATED),
    "run space": Kind(f"{RUN}/space.toml", EVALUATED),
    "metrics": Kind(f"{RUN}/metrics.jsonl", _page),
    "export report": Kind("knee/report.json", _exported),
    "export arch": Kind("knee/arch.json", _exported),
    "export weights": Kind("knee/weights.safetensors", _exported),
    "export ONNX": Kind("knee/model.onnx", _exported),
    "export torch": Kind("knee/torch/model.pt2", _exported),
    "answers": Kind("answers/steps-00000000.safetensors", figures(_answers)),
    "answers' header": Kind("answers/teacher.json", figures(_answers)),
    "results": Kind("measured.json", figures(_imported)),
}


def flip_all(
    scene: Path, copy: Path, per_file: int = PER_FILE, kinds: tuple[str, ...] = tuple(KINDS)
) -> dict[str, Flipped]:
    """What came of this many flips in a file of each kind; half of them in its first and last kilobyte."""

    def some(lane: int) -> dict[str, Flipped]:
        place = copy.with_name(f"{copy.name}-{lane}")
        return {name: _flip(scene, place, KINDS[name], name, per_file) for name in kinds[lane::LANES]}

    found = side_by_side(some)
    return {name: each[name] for name in kinds for each in found if name in each}


def _flip(scene: Path, copy: Path, kind: Kind, name: str, count: int) -> Flipped:
    found, rng = Flipped(), np.random.default_rng(7)
    _fresh(scene, copy)
    expected = _read(kind, copy)
    if expected.code != 0:
        raise RuntimeError(f"{kind.file}: {expected.err[-300:]}")
    good = (scene / kind.file).read_bytes()
    for i in range(count):
        show_progress(f"flip {i + 1} of {count}: {name}")
        if kind.changes:
            _fresh(scene, copy)
        at = _place(len(good), i, rng)
        content = bytearray(good)
        content[at // 8] ^= 1 << at % 8
        (copy / kind.file).write_bytes(content)
        said = _read(kind, copy)
        if said.code is None or "Traceback" in said.err:
            found.crashed.append(f"bit {at}: {said.err.strip()[-120:]}")
        elif said.code != 0 or said.out == expected.out or _tells(said.err, kind.file):
            found.noticed += 1
        else:
            found.unnoticed.append(f"bit {at}")
    (copy / kind.file).write_bytes(good)
    return found


def _read(kind: Kind, copy: Path) -> Said:
    return Job(lambda: kind.read(copy)).said(60.0)


def _tells(err: str, file: str) -> bool:
    return "damaged" in err or Path(file).name in err


def _place(size: int, i: int, rng: np.random.Generator) -> int:
    """A bit of the whole file for every other flip; else one of its first or last 1024 bytes."""
    if i % 2 == 0 or size <= 2048:
        return int(rng.integers(8 * size))
    near = int(rng.integers(8 * 1024))
    return near if i % 4 == 1 else 8 * size - 1 - near


def _fresh(scene: Path, copy: Path) -> None:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(scene, copy)


def prepare(scene: Path) -> None:
    """The files of kinds that the scene lacks: answers, measured results, and a run that has steps left."""
    settings = SETTINGS.replace("steps = 4", "steps = 6")
    (scene / "long.toml").write_text(
        settings.replace("test_networks = 2", "test_networks = 2\nblock_ms = 1.0\nwarmup_ms = 1.0")
    )
    commands = (
        f"teach --teacher run:{RUN} --data digits --epochs 1 --out answers",
        f"train-supernet --config long.toml --space tiny.toml --data digits --out {LONG} --threads 1",
        f"profile --config long.toml --run {RUN} --device pi --bundle short --runtime onnx",
    )
    for text in commands:
        said = Job.of(text, scene).said()
        if said.code != 0:
            raise RuntimeError(f"vitnas {text}: {said.err[-300:]}")
    shutil.rmtree(scene / LONG / "checkpoints/step-00000006")
    runner = [sys.executable, *(str(scene / name) for name in ("short/runner.py", "short", "measured.json"))]
    subprocess.run(runner, check=True, capture_output=True)
