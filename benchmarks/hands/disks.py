"""Commands on a disk that fills up while they write, and again once there is room."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from problems.scene import Said

from hands.canaries import Canaries
from hands.jobs import Job, show_progress, side_by_side
from hands.kills import BY_LANE, SETTINGS_OF_KILLS, WORKS

SHARES = (0.0, 0.2, 0.45, 0.7, 0.95)
"""Room that is left, as a share of what the command writes."""
WORDS = re.compile(r"no space|disk|room", re.IGNORECASE)
_NEW_MOUNTS, _PRIVATE = 0x20000, 0x4000 | 0x40000  # CLONE_NEWNS; MS_REC | MS_PRIVATE


@dataclass
class Filled:
    """What came of full disks.

    Attributes:
        total: how many a command met.
        unclean: those that were told as something else, harmed what was there, or did not end well with room.
        lost: foreign files that are gone.
        skipped: why none could be tried here; empty where they were.
    """

    total: int = 0
    unclean: list[tuple[str, str]] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    skipped: str = ""


def fill_disks(
    scene: Path, copy: Path, shares: tuple[float, ...] = SHARES, works: tuple[str, ...] = tuple(WORKS)
) -> Filled:
    lanes = [[name for name in lane if name in works and name != "grow"] for lane in BY_LANE]  # grow writes nothing
    found = side_by_side(lambda i: _lane(scene, copy.with_name(f"{copy.name}-{i}"), lanes[i], shares))
    both = Filled()
    for each in found:
        both.total += each.total
        both.unclean += each.unclean
        both.lost += each.lost
        both.skipped = both.skipped or each.skipped
    return both


def _lane(scene: Path, disk: Path, names: list[str], shares: tuple[float, ...]) -> Filled:
    found = Filled()
    disk.mkdir()
    try:
        _mount(disk, 256 << 20)
    except OSError as error:
        return Filled(skipped=f"a small disk cannot be mounted here: {error.strerror}")
    for name in names:
        work = WORKS[name]
        _fresh(scene, disk)
        before = _free(disk)
        said = Job.of(work.command, disk).said()
        if said.code != 0:
            raise RuntimeError(f"vitnas {work.command}: {said.err[-300:]}")
        expected, needed = work.result(disk, said), before - _free(disk)
        for share in shares:
            show_progress(f"{name}: a disk with room for {share:.0%}")
            canaries = _fresh(scene, disk)
            filler = disk / "filler.bin"
            _fill(filler, _free(disk) - int(share * needed))
            said = Job.of(work.command, disk).said()
            found.total += 1
            found.lost += canaries.lost()
            wrong = _wrong(said)
            filler.unlink()
            if not wrong and said.code != 0:
                again = Job.of(work.again(disk) if work.again else work.command, disk).said()
                if again.code != 0:
                    wrong = f"with room again: {again.err.strip()[-200:]}"
                elif work.result(disk, again) != expected:
                    wrong = "with room again, another result"
            if wrong:
                found.unclean.append((f"{name}, room for {share:.0%}", wrong))
    return found


def _wrong(said: Said) -> str:
    if said.code == 0:
        return ""  # it fitted after all
    if said.code != 2 or "Traceback" in said.err or not WORDS.search(said.err):
        return f"exit code {said.code}: {said.err.strip()[-200:]}"
    return ""


def _fresh(scene: Path, disk: Path) -> Canaries:
    for each in disk.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()
    shutil.copytree(scene, disk, dirs_exist_ok=True)
    (disk / "settings.toml").write_text(SETTINGS_OF_KILLS)
    return Canaries.plant(disk)


def _free(disk: Path) -> int:
    room = os.statvfs(disk)
    return room.f_bavail * room.f_frsize


def _fill(file: Path, size: int) -> None:
    """As much of a size as there is room for: a disk needs some of what it calls free for itself."""
    with file.open("wb") as out:
        while size > 0:
            try:
                os.posix_fallocate(out.fileno(), 0, size)
            except OSError:
                size -= 1 << 14
            else:
                return


def _mount(folder: Path, size: int) -> None:
    """A disk in memory that only this process and those it starts can see; it goes with them."""
    libc = ctypes.CDLL(None, use_errno=True)

    def must(code: int) -> None:
        if code:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    must(libc.unshare(_NEW_MOUNTS))
    must(libc.mount(b"none", b"/", None, ctypes.c_ulong(_PRIVATE), None))
    must(libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", ctypes.c_ulong(0), f"size={size}".encode()))
