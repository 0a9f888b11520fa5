"""Setbacks: workers that were lost, how many go on without them, and from which step."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from vitnas.files import is_locked, read_lines
from vitnas.interruption import stop_if_asked
from vitnas.run import RunFolder
from vitnas.supernets.weights.checkpoints import checkpoint_folders

LOOK_S = 1.0
"""How often the cluster is asked again."""

LET_GO_S = 60.0
"""How long a worker that was lost may take to end: until then it holds the folder of the run."""


@dataclass(frozen=True)
class Setback:
    """Workers of a training were lost, and it went on.

    Attributes:
        reached: the newest step that the lost training had logged.
        step: of the checkpoint from which it went on; 0 where there was none.
        before: how many workers there were.
        workers: how many went on.
    """

    reached: int
    step: int
    before: int
    workers: int

    @classmethod
    def of(cls, run: RunFolder, before: int, workers: int) -> Setback:
        """What the files of a run tell, before anybody goes on with it."""
        folders = checkpoint_folders(run)
        step = int(folders[-1].name.removeprefix("step-")) if folders else 0
        logged = [line["step"] for line in read_lines(run.metrics_file)] if run.metrics_file.is_file() else []
        return cls(max([step, *(at for at in logged if isinstance(at, int))]), step, before, workers)

    @property
    def lost(self) -> int:
        """Steps that are made again, as far as they were logged."""
        return self.reached - self.step

    def __str__(self) -> str:
        who = f"{self.workers}" if self.workers == self.before else f"{self.workers} of {self.before}"
        return f"workers were lost after step {self.reached}; {who} go on from step {self.step}"


def wait_for_room(
    fits: Callable[[int], bool], room: Callable[[], int], wanted: int, patience_s: float, look_s: float = LOOK_S
) -> int:
    """How many workers go on: as many as before once there is room for them, else the most that there is room for.

    Args:
        fits: whether a batch divides among so many workers.
        room: for how many workers the cluster has room at the moment.
        wanted: as many as before.
        patience_s: how long a machine may take to come back.
        look_s: how often to look.

    Returns:
        Their number; 0 where there is room for none.
    """
    deadline = time.monotonic() + patience_s
    while (free := room()) < wanted and time.monotonic() < deadline:
        stop_if_asked()
        time.sleep(look_s)
    return max((n for n in range(1, wanted + 1) if n <= free and fits(n)), default=0)


def wait_for_lost(run: RunFolder, patience_s: float = LET_GO_S) -> None:
    """Waits until a lost worker has let go of the folder, so that it writes no checkpoint while others read one."""
    deadline = time.monotonic() + patience_s
    while is_locked(run.path) and time.monotonic() < deadline:
        time.sleep(0.1)


__all__ = ["Setback", "wait_for_lost", "wait_for_room"]
