"""Searches on Ray while workers and whole machines are lost."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nas.problem import SMALL, Score, posed
from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.search_spaces import Arch

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SETTINGS = SearchSettings(evaluations=30, initial=12, batch=9, population=20, generations=5, patience=0)


@dataclass(frozen=True)
class Slow:
    """Takes a moment, and leaves lines with its process: in `begun` before, in `log` after."""

    log: Path

    def __call__(self, arch: Arch) -> dict[str, float]:
        self._write(self.begun, arch)
        time.sleep(0.3)
        self._write(self.log, arch)
        return Score(SMALL)(arch)

    @property
    def begun(self) -> Path:
        return self.log.with_suffix(".begun")

    def _write(self, log: Path, arch: Arch) -> None:
        with log.open("a") as file:
            file.write(f"{os.getpid()} {arch.id}\n")


def run(folder: Path, score, executor=None):
    return search(posed(SMALL, SETTINGS), score, SETTINGS, folder, executor=executor, progress=False)


def rows(log: Path) -> list[list[str]]:
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def test_workers_killed_at_random_change_nothing(tmp_path):
    run(tmp_path / "calm", Score(SMALL))
    log = tmp_path / "log"
    ended = threading.Event()
    killed: dict[int, str] = {}

    def kill() -> None:
        """The newest worker, but none at an arch that lost one before: the third loss would end its evaluation."""
        while not ended.wait(0.7) and len(killed) < 4:
            at_work = {int(pid): arch for pid, arch in rows(Slow(log).begun)}
            pids = [pid for pid, arch in at_work.items() if pid not in killed and arch not in killed.values()]
            if pids:
                os.kill(max(pids), signal.SIGKILL)
                killed[max(pids)] = {int(pid): arch for pid, arch in rows(Slow(log).begun)}[max(pids)]

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        with RayExecutor(2) as executor:
            run(tmp_path / "killed", Slow(log), executor)
    finally:
        ended.set()
        thread.join()
    assert killed
    assert (tmp_path / "killed/front.json").read_bytes() == (tmp_path / "calm/front.json").read_bytes()
    times = Counter(arch for _, arch in rows(log))
    assert len(times) == 30
    assert sum(times.values()) <= 30 + len(killed)


def test_a_machine_of_a_cluster_that_is_lost_changes_nothing(tmp_path):
    import ray
    from ray.cluster_utils import Cluster

    run(tmp_path / "calm", Score(SMALL))
    log = tmp_path / "log"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    lost = cluster.add_node(num_cpus=2)
    ended = threading.Event()
    gone: list[int] = []

    def pull_the_plug() -> None:
        while not ended.wait(0.1):
            if len({pid for pid, _ in rows(log)}) >= 2 and len(rows(log)) >= 5:
                cluster.remove_node(lost, allow_graceful=False)
                gone.append(len(rows(log)))
                return

    thread = threading.Thread(target=pull_the_plug)
    try:
        cluster.wait_for_nodes()
        thread.start()
        with RayExecutor(3, cluster.address) as executor:
            run(tmp_path / "lost", Slow(log), executor)
    finally:
        ended.set()
        thread.join()
        ray.shutdown()
        cluster.shutdown()
    assert (tmp_path / "lost/front.json").read_bytes() == (tmp_path / "calm/front.json").read_bytes()
    assert gone
    assert gone[0] < 25
    assert len({pid for pid, _ in rows(log)[-4:]}) == 1  # the worker of the machine that was left did the rest
    times = Counter(arch for _, arch in rows(log))
    assert len(times) == 30
    assert sum(times.values()) <= 30 + 2
