"""Commands whose folders hold files of somebody else, or links to them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from problems.malformed import NEWEST, RUN
from problems.scene import run_forked

from hands.canaries import TEXT, Canaries
from hands.jobs import LANES, show_progress, side_by_side

OUTSIDE = "outside"
"""A folder beside the scene that links lead to."""

Prepare = Callable[[Path], None]


@dataclass(frozen=True)
class Meeting:
    """A command, and the foreign files that it meets: `prepare` makes them, and each file that it names is theirs."""

    name: str
    command: str
    prepare: Prepare
    files: tuple[str, ...]


@dataclass
class Met:
    """What came of the meetings."""

    total: int = 0
    lost: list[tuple[str, str]] = field(default_factory=list)
    unclean: list[tuple[str, str]] = field(default_factory=list)


EXPORT = f"export --run {RUN} --arch arch.json --format torch,onnx"
TRAIN = "train-supernet --config settings.toml --space tiny.toml --threads 1"
SEARCH = f"search --config settings.toml --run {RUN} --device phone"
FIT = f"predictor fit --run {RUN} --samples 14 --predictor ridge"
TEACH = f"teach --teacher run:{RUN} --data digits --epochs 1"
BUNDLE = f"profile --config settings.toml --run {RUN} --device other --runtime onnx"


def meetings() -> Iterator[Meeting]:
    yield from _exports()
    yield from _inside()
    yield from _linked_files()
    yield from _linked_folders()


def meet_all(scene: Path, copy: Path, step: int = 1) -> Met:
    """Every foreign file must be there afterwards, whatever the command did; it does its work or is refused."""
    some = list(meetings())[::step]
    lanes = side_by_side(lambda i: _meet(scene, copy.with_name(f"{copy.name}-{i}"), some[i::LANES]))
    total = sum(lane.total for lane in lanes)
    return Met(total, [lost for lane in lanes for lost in lane.lost], [each for lane in lanes for each in lane.unclean])


def _meet(scene: Path, copy: Path, some: list[Meeting]) -> Met:
    found = Met()
    for meeting in some:
        show_progress(f"foreign: {meeting.name}")
        shutil.rmtree(copy, ignore_errors=True)
        folder = copy / "scene"
        shutil.copytree(scene, folder)
        (copy / OUTSIDE).mkdir()
        meeting.prepare(folder)
        around = Canaries.plant(folder, (".", "runs", "photos", f"../{OUTSIDE}"))
        theirs = Canaries.of(*(folder / file for file in meeting.files))
        said = run_forked(meeting.command, folder)
        found.total += 1
        found.lost += [(meeting.name, str(Path(path).relative_to(copy))) for path in theirs.lost() + around.lost()]
        if said.code not in (0, 2) or "Traceback" in said.err:
            found.unclean.append((meeting.name, f"exit code {said.code}, {said.err.strip()[-200:]}"))
    return found


def _file(name: str, text: str = TEXT) -> Prepare:
    def make(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)

    return make


def _all(*steps: Prepare) -> Prepare:
    def make(folder: Path) -> None:
        for step in steps:
            step(folder)

    return make


def _link(name: str, target: str) -> Prepare:
    """A link in the place of whatever is there; the target lies outside."""

    def make(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.symlink_to((folder.parent / OUTSIDE / target).absolute())

    return make


def _moved(name: str) -> Prepare:
    """A folder that lies outside, and a link to it in its place."""

    def make(folder: Path) -> None:
        outside = folder.parent / OUTSIDE / "theirs"
        if (folder / name).exists():
            shutil.move(folder / name, outside)
        outside.mkdir(exist_ok=True)
        (outside / "essay.txt").write_text(TEXT)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).symlink_to(outside.absolute())

    return make


def _exports() -> Iterator[Meeting]:
    """`--force` replaces what an export wrote, and nothing else."""
    into = f"{EXPORT} --force --out "
    report = json.dumps({"title": "Report", "year": 2026})
    own = "knee/essay.txt"
    theirs = "mine/report.json", "mine/essay.txt"
    yield Meeting("a thesis in an export", into + "knee", _file(own), (own,))
    yield Meeting("a folder of theirs in an export", into + "knee", _file("knee/a/essay.txt"), ("knee/a/essay.txt",))
    yield Meeting("a file of theirs among an export's", into + "knee", _file("knee/torch/x.py"), ("knee/torch/x.py",))
    yield Meeting("hidden files in an export", into + "knee", _file("knee/.git/config"), ("knee/.git/config",))
    yield Meeting(
        "a folder of a predictor",
        into + f"{RUN}/predictor",
        lambda folder: None,
        (f"{RUN}/predictor/report.json", f"{RUN}/predictor/predictor.safetensors", f"{RUN}/predictor/study.db"),
    )
    yield Meeting(
        "a folder with a report of theirs",
        into + "mine",
        _all(_file("mine/report.json", report), _file("mine/essay.txt")),
        theirs,
    )
    yield Meeting("a run", into + RUN, lambda folder: None, (f"{RUN}/config.toml", f"{RUN}/metrics.jsonl"))
    yield Meeting(
        "a run with a report of theirs",
        into + RUN,
        _file(f"{RUN}/report.json", report),
        (f"{RUN}/config.toml", f"{RUN}/report.json", f"{NEWEST}/state.json"),
    )
    yield Meeting("the folder of everything", into + ".", _file("report.json", report), ("report.json", "arch.json"))
    yield Meeting(
        "a link to an export with a thesis", into + "new", _all(_file(own), _moved("knee"), _again), ("new/essay.txt",)
    )
    yield Meeting(
        "a link to a folder with a report of theirs",
        into + "new",
        _all(_moved("new"), _file("new/report.json", report)),
        ("new/essay.txt", "new/report.json"),
    )
    yield Meeting("a link to nothing", into + "new", _link("new", "nowhere"), ())
    for file in ("report.json", "weights.safetensors", "model.onnx", "README.md", "network.svg"):
        prepare = _all(_file(f"../{OUTSIDE}/essay.txt"), _link(f"knee/{file}", "essay.txt"))
        yield Meeting(f"a link for {file}", into + "knee", prepare, (f"../{OUTSIDE}/essay.txt",))
    yield Meeting("a link for a folder of an export", into + "knee", _moved("knee/torch"), ("knee/torch/essay.txt",))


def _again(folder: Path) -> None:
    (folder / "new").symlink_to((folder.parent / OUTSIDE / "theirs").absolute())


def _inside() -> Iterator[Meeting]:
    """Folders of results in which somebody keeps files of their own."""
    commands = {
        "found": f"{SEARCH} --out found",
        "fitted": f"{FIT} --out fitted",
        "answers": f"{TEACH} --out answers",
        "new": f"{BUNDLE} --bundle new",
        "runs/new": f"{TRAIN} --out runs/new",
        f"{RUN}/search-phone": SEARCH,
        f"{RUN}/predictor": FIT,
        f"{RUN}": f"report {RUN}",
        f"{RUN}/latency": f"profile --run {RUN} --device phone --import layers.csv",
        "bundle": f"{BUNDLE} --bundle bundle",
    }
    for folder, command in commands.items():
        names = tuple(f"{folder}/{name}" for name in ("essay.txt", "deep/essay.txt", ".hidden"))
        yield Meeting(f"files in {folder}", command, _all(*(_file(name) for name in names)), names)
    names = tuple(
        f"{RUN}/checkpoints/{name}" for name in ("essay.txt", "step-by-step/essay.txt", ".step-notes/essay.txt")
    )
    resume = f"train-supernet --resume {RUN}"
    yield Meeting("files beside checkpoints", resume, _all(_unfinished, *(_file(name) for name in names)), names)
    yield Meeting(
        "a file in a checkpoint", resume, _all(_unfinished, _file(f"{NEWEST}/essay.txt")), (f"{NEWEST}/essay.txt",)
    )


def _linked_files() -> Iterator[Meeting]:
    """Folders that came from somebody else, in which a file that vitnas writes is a link, or linked hard."""
    resume = f"train-supernet --resume {RUN}"
    written = {
        resume: (".lock", "metrics.jsonl", "config.toml", "environment.json"),
        SEARCH: tuple(
            f"search-phone/{name}" for name in (".lock", "search.log", "front.json", "front.png", "evaluations.parquet")
        ),
        FIT: tuple(f"predictor/{name}" for name in (".lock", "report.json", "predictor.safetensors", "held-out.png")),
        f"report {RUN}": ("report.html",),
        f"profile --run {RUN} --device phone --import layers.csv": ("latency/phone.parquet",),
    }
    for command, names in written.items():
        for name in names:
            for way in ("soft", "hard"):
                if way == "hard" and name in ("metrics.jsonl", "search-phone/search.log"):
                    continue  # a log is written on where it stands, which is no loss of what it held
                prepare = _all(_unfinished, _held(f"{RUN}/{name}", way))
                yield Meeting(f"a {way} link for {name}", command, prepare, (f"../{OUTSIDE}/essay.txt",))
    for folder, command in {
        "found": f"{SEARCH} --out found",
        "answers": f"{TEACH} --out answers",
        "runs/new": f"{TRAIN} --out runs/new",
    }.items():
        yield Meeting(
            f"a lock that is a link in {folder}",
            command,
            _held(f"{folder}/.lock", "soft"),
            (f"../{OUTSIDE}/essay.txt",),
        )
    study = _all(_file(f"../{OUTSIDE}/essay.txt"), _link(f"{RUN}/search-phone/study.db", "essay.txt"))
    yield Meeting("a link for a study", SEARCH, study, (f"../{OUTSIDE}/essay.txt",))


def _held(name: str, way: str) -> Prepare:
    """A foreign file outside, with the content that the file inside has, so that it is read as before."""

    def make(folder: Path) -> None:
        path, outside = folder / name, folder.parent / OUTSIDE / "essay.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        outside.write_bytes(path.read_bytes() if path.is_file() and path.name != ".lock" else TEXT.encode())
        path.unlink(missing_ok=True)
        if way == "soft":
            path.symlink_to(outside.absolute())
        else:
            path.hardlink_to(outside)

    return make


def _linked_folders() -> Iterator[Meeting]:
    """Folders that came from somebody else, in which a folder that vitnas writes to is a link."""
    resume = f"train-supernet --resume {RUN}"
    for name, command in {
        "checkpoints": resume,
        NEWEST.removeprefix(f"{RUN}/"): resume,
        "checkpoints/step-00000002": resume,
        "tensorboard": resume,
        ".ray": resume,
        "search-phone": SEARCH,
        "predictor": FIT,
        "latency": f"profile --run {RUN} --device phone --import layers.csv",
    }.items():
        theirs = f"../{OUTSIDE}/theirs/essay.txt"
        yield Meeting(f"a link for the folder {name}", command, _all(_unfinished, _moved(f"{RUN}/{name}")), (theirs,))


def _unfinished(folder: Path) -> None:
    """A run that has steps left."""
    config = folder / RUN / "config.toml"
    config.write_text(config.read_text().replace("steps = 4", "steps = 8"))
