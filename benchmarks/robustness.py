"""Are malformed inputs refused, do killed commands recover, and is nothing harmed that vitnas did not write?

Keys malformed_total, malformed_clean; kills_total, kills_recovered, and of each command kills.COMMAND and
recovered.COMMAND, kill_leftovers; flips_total, flips_unnoticed, flips_crashed, and of each kind of file flips.KIND;
disks_total, disks_clean; foreign_total, foreign_files_lost, foreign_unclean; listening_total, listening_off_loopback,
temporary_left.

Malformed: every case of `problems/malformed/` in a fresh copy of a folder with one good file of every kind. Clean
is exit code 2, a message on stderr, no traceback, and not one file or folder of the copy changed, added or gone.

Kills: commands are killed with SIGKILL, with all processes they started, at random moments between their start and the
end of an undisturbed run, and given again (`--resume` for a training). Recovered is the result of the undisturbed run:
the same bytes of weights, optimiser and state; every layer and network measured; the same bytes of front.json and
each arch evaluated once; the same bytes of weights and ONNX file, predictor, answers and page. Leftovers are hidden files
that stay behind.

Flips: one bit of a file that vitnas wrote. Noticed is a refusal, a message that names the damage, or the same figures.

Disks: a disk in memory that is full when a command has written a share of its result. Clean is exit code 2 with a
message on the disk, and the undisturbed result once there is room.

Foreign: files of somebody else in, around and linked into the folders that commands write to, compared before and
after; also those planted in the scenes of kills and full disks.

Listening: sockets of a training and of a search with two workers on one machine, by address, while they work.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from frame import run, show
from hands.disks import SHARES, fill_disks
from hands.flips import PER_FILE, flip_all, prepare
from hands.foreign import meet_all
from hands.jobs import LANES, show_progress, side_by_side
from hands.kills import kill_all
from hands.sockets import listen_to_all
from problems.malformed import Case, cases, snapshot
from problems.scene import make_scene, run_forked

KILLS = 81
PARTS = ("malformed", "kills", "flips", "disks", "foreign", "sockets")
QUICK_WORKS = ("report", "export")
QUICK_KINDS = ("table", "front")


def measure(quick: bool, only: str | None = None) -> dict[str, float]:
    found: dict[str, float] = {}
    parts = only.split(",") if only else [part for part in PARTS if not (quick and part == "sockets")]
    foreign_lost: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ["VITNAS_CACHE"] = str(Path(folder) / "cache")
        _import_everything()
        scene, copy = make_scene(Path(folder) / "scene", run_forked), Path(folder) / "copy"
        for part in parts:
            start = time.monotonic()
            found |= globals()[f"_{part}"](scene, copy.with_name(f"{part}-copy"), quick, foreign_lost)
            print(f"{part}: {time.monotonic() - start:.0f} s", file=sys.stderr)
    if {"kills", "disks", "foreign"} & set(parts):
        show("foreign files lost", ("where", "file"), foreign_lost)
        found["foreign_files_lost"] = len(foreign_lost)
    return found


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
    import vitnas.latency_lut.remote.transports
    import vitnas.nas.run_search
    import vitnas.reporting.page.html
    import vitnas.reporting.plots.pictures
    import vitnas.supernets.training.train  # noqa: F401

    torch.set_num_threads(1)  # the threads of a parent are not there in a fork


Lost = list[tuple[str, str]]


def _malformed(scene: Path, copy: Path, quick: bool, lost: Lost) -> dict[str, float]:
    every = cases()[:: 40 if quick else 1]
    lanes = side_by_side(lambda i: _unclean(scene, copy.with_name(f"{copy.name}-{i}"), every[i::LANES]))
    unclean = [case for lane in lanes for case in lane]
    show("not clean", ("input", "why"), unclean)
    return {"malformed_total": len(every), "malformed_clean": len(every) - len(unclean)}


def _unclean(scene: Path, copy: Path, some: list[Case]) -> list[tuple[str, str]]:
    unclean = []
    for i, case in enumerate(some):
        show_progress(f"malformed {i + 1} of {len(some)}")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(scene, copy)
        case.spoil(copy)
        before = snapshot(copy)
        said = run_forked(case.command, copy)
        after = snapshot(copy)
        changed = sorted(path for path in {**before, **after} if before.get(path) != after.get(path))
        if said.code != 2 or not said.err.strip() or "Traceback" in said.err or changed:
            unclean.append((case.name, f"exit code {said.code}, changed {changed[:3]}, {said.err.strip()[-200:]}"))
    return unclean


def _kills(scene: Path, copy: Path, quick: bool, lost: Lost) -> dict[str, float]:
    killed = kill_all(scene, copy, 2, QUICK_WORKS) if quick else kill_all(scene, copy, KILLS)
    rows = [(name, len(each.recovered), sum(each.recovered), len(each.left)) for name, each in killed.items()]
    show("kills", ("command", "kills", "recovered", "left behind"), rows)
    show("left behind", ("command", "file"), [(name, path) for name, each in killed.items() for path in each.left])
    lost += [(f"kill of {name}", path) for name, each in killed.items() for path in each.lost]
    return {
        "kills_total": sum(row[1] for row in rows),
        "kills_recovered": sum(row[2] for row in rows),
        "kill_leftovers": sum(row[3] for row in rows),
        **{f"kills.{row[0]}": row[1] for row in rows},
        **{f"recovered.{row[0]}": row[2] for row in rows},
    }


def _flips(scene: Path, copy: Path, quick: bool, lost: Lost) -> dict[str, float]:
    shutil.copytree(scene, scene.with_name("flipped"))
    prepare(scene.with_name("flipped"))
    flipped = flip_all(scene.with_name("flipped"), copy, *((4, QUICK_KINDS) if quick else (PER_FILE,)))
    rows = [(n, f.total, len(f.unnoticed), len(f.crashed), "; ".join(f.unnoticed[:3])) for n, f in flipped.items()]
    show("flipped bits", ("file", "flips", "unnoticed", "crashed", "such as"), rows)
    show("crashed", ("file", "flip"), [(name, text) for name, each in flipped.items() for text in each.crashed])
    return {
        "flips_total": sum(row[1] for row in rows),
        "flips_unnoticed": sum(row[2] for row in rows),
        "flips_crashed": sum(row[3] for row in rows),
        **{f"flips.{row[0].replace(' ', '_')}": row[2] for row in rows},
    }


def _disks(scene: Path, copy: Path, quick: bool, lost: Lost) -> dict[str, float]:
    filled = fill_disks(scene, copy, *(((0.5,), QUICK_WORKS) if quick else (SHARES,)))
    if filled.skipped:
        print(f"full disks are left out: {filled.skipped}")
        return {}
    show("full disks that were not handled", ("command", "why"), filled.unclean)
    lost += [("full disk", path) for path in filled.lost]
    return {"disks_total": filled.total, "disks_clean": filled.total - len(filled.unclean)}


def _foreign(scene: Path, copy: Path, quick: bool, lost: Lost) -> dict[str, float]:
    met = meet_all(scene, copy, 12 if quick else 1)
    show("meetings that ended in a traceback", ("meeting", "why"), met.unclean)
    lost += met.lost
    return {"foreign_total": met.total, "foreign_unclean": len(met.unclean)}


def _sockets(scene: Path, copy: Path, quick: bool, lost: Lost) -> dict[str, float]:
    heard = listen_to_all(scene, copy)
    show("sockets that others can reach", ("job", "process", "address"), sorted(heard.open_to_others))
    show("left in the temporary folder", ("what",), [(left,) for left in heard.left])
    if heard.failed:
        raise RuntimeError("; ".join(heard.failed))
    return {
        "listening_total": len(heard.sockets),
        "listening_off_loopback": len(heard.open_to_others),
        "temporary_left": len(heard.left),
    }


if __name__ == "__main__":
    run(__doc__, measure, {"--only": {"metavar": "PARTS", "help": f"some of {', '.join(PARTS)}"}})
