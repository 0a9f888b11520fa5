"""What is lost when a machine of a cluster is?

Two nodes of Ray on this machine; one is killed with all its workers in a search, and the other goes on. The front is compared with what one
process alone found.

The same of a training, which needs both nodes for its two workers: once the lost node comes back, and once none does, so that one worker goes on.

Keys: nodes_killed; evaluations_lost (archs that the search of one process evaluated and that of the cluster did not), evaluations_again
(made once more, as they were under way), front_same (1: the same bytes). Of the training: training.nodes_killed, training.steps_lost (made again, over
both), training.agrees (1: with a node that comes back the weights are those of an undisturbed training to the bit, and those of one
worker agree with them to rounding), training.largest_difference (of a weight, between these two), training.restart_s (from the kill of the node that
comes back to where its training goes on).
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frame
import torch
from torch import Tensor

from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Task, load_space
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.processes.ray import train_on_ray
from vitnas.supernets.training.processes.setbacks import Setback
from vitnas.supernets.training.train import start_run
from vitnas.supernets.weights.checkpoints import load_supernet

SPACE = load_space("autoformer-mini", Task(16))
DIGITS = load_space("autoformer-mini", Task(8, num_classes=10, in_channels=1))
SETTINGS = SearchSettings(
    evaluations=30, initial=12, batch=9, population=20, generations=5, patience=0, objectives=("accuracy", "macs")
)

TRAINING = TrainSettings(
    steps=60, batch_size=128, checkpoint_every=8, threads=2, log_every=1, evaluate_every=1000, loggers=()
)
KILLED_AT = 43
"""The step after which a node is killed, so that about 20 are left, over which the documentation states a tolerance."""
TO_ROUNDING = 1e-5
PATIENCE_S = 20.0
TRIES = 3


@dataclass(frozen=True)
class Score:
    """Counts the width and depth of an arch, takes a moment, and leaves a line."""

    log: Path
    seconds: float = 0.3

    def __call__(self, arch: Arch) -> dict[str, float]:
        time.sleep(self.seconds)
        with self.log.open("a") as file:
            file.write(f"{arch.id}\n")
        genes = dict(arch.genes)
        return {"accuracy": 1 - 1 / (float(genes["depth"]) + float(genes["width"]) / 64)}  # type: ignore[arg-type]

    @property
    def ended(self) -> list[str]:
        return self.log.read_text().split() if self.log.is_file() else []


def measure(quick: bool) -> dict[str, float]:
    del quick  # it takes half a minute
    with tempfile.TemporaryDirectory() as folder:
        found = {**_search(Path(folder)), "nodes_killed": 1.0}
        return {**found, **{f"training.{key}": value for key, value in _training(Path(folder)).items()}}


def _search(folder: Path) -> dict[str, float]:
    calm, disturbed = Score(folder / "calm.log", 0.0), Score(folder / "disturbed.log")
    counter = PopulationCounter(SPACE)
    costs = {"macs": lambda codes: counter(codes).macs}
    problem = Problem(SPACE, objectives_named(("accuracy", "macs")), costs)
    search(problem, calm, SETTINGS, folder / "calm", progress=False)
    with _cluster(1, 2) as (cluster, lost):

        def when() -> bool:
            return len(disturbed.ended) >= 5

        with _killed(cluster, lost, when), RayExecutor(3, cluster.address) as executor:
            search(problem, disturbed, SETTINGS, folder / "disturbed", executor=executor, progress=False)
    made = Counter(disturbed.ended)
    fronts = [(folder / name / "front.json").read_bytes() for name in ("calm", "disturbed")]
    return {
        "evaluations_lost": len(set(calm.ended) - set(made)),
        "evaluations_again": sum(made.values()) - len(made),
        "front_same": float(fronts[0] == fronts[1]),
    }


def _training(folder: Path) -> dict[str, float]:
    runs = {name: start_run(folder / name, DIGITS, "digits", TRAINING) for name in ("calm", "back", "fewer")}
    with _cluster(1, 1) as (cluster, _):
        train_on_ray(runs["calm"], 2, cluster.address)
    back, restart_s = _disturbed(runs["back"], comes_back=True)
    fewer, _ = _disturbed(runs["fewer"], comes_back=False)
    weights = {name: load_supernet(run).state_dict() for name, run in runs.items()}
    calm = weights["calm"]
    same = all(torch.equal(tensor, calm[name]) for name, tensor in weights["back"].items())
    # Softmax takes the bias of keys away: its gradient is rounding alone, which the optimiser scales to full steps.
    differences = {
        name: float((_but_keys(name, t) - _but_keys(name, calm[name])).abs().max())
        for name, t in weights["fewer"].items()
    }
    largest = max(differences.values())
    went_on = [found[-1].workers for found in (back, fewer)] == [2, 1]  # Ray may learn of a loss a moment late
    return {
        "nodes_killed": 2.0,
        "steps_lost": float(sum(setback.lost for setback in (*back, *fewer))),
        "agrees": float(went_on and same and largest <= TO_ROUNDING),
        "largest_difference": largest,
        "restart_s": restart_s,
    }


def _disturbed(run: RunFolder, comes_back: bool) -> tuple[tuple[Setback, ...], float]:
    """Kills one of two nodes in a training; what was lost, and the seconds from its return, if it returns, until it went on."""
    with _cluster(1, 1) as (cluster, lost), ThreadPoolExecutor(1) as beside:
        # Ray adds nodes in the main thread alone, so the training is beside it.
        found = beside.submit(train_on_ray, run, 2, cluster.address, print, PATIENCE_S)
        _wait(lambda: _step(run) >= KILLED_AT, found)
        before = run.metrics_file.stat().st_ino
        cluster.remove_node(lost, allow_graceful=False)
        if comes_back:
            time.sleep(PATIENCE_S / 4)
            cluster.add_node(num_cpus=1)
        whole = time.monotonic()
        _wait(lambda: run.metrics_file.stat().st_ino != before, found)  # who goes on forgets what was lost
        seconds = time.monotonic() - whole
        return found.result(), seconds


def _step(run: RunFolder) -> int:
    lines = run.metrics_file.read_text().splitlines() if run.metrics_file.is_file() else []
    return int(json.loads(lines[-1])["step"]) if lines else 0


def _wait(until: Callable[[], bool], work: Future[Any]) -> None:
    while not until():
        if work.done():
            work.result()
            raise SystemExit("the work ended before it could be disturbed, or without having been")
        time.sleep(0.02)


def _but_keys(name: str, tensor: Tensor) -> Tensor:
    return tensor[[0, 2]] if name.endswith("qkv_bias") else tensor


@contextmanager
def _cluster(first: int, second: int) -> Iterator[tuple[Any, Any]]:
    """A cluster of two nodes with so many cores each, and the second of them."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": first, "include_dashboard": False}
    for left in range(TRIES - 1, -1, -1):
        try:
            cluster = Cluster(initialize_head=True, head_node_args=head)
            break
        except Exception:  # of no kind of its own: Ray waits 30 s for a node, and other work may take longer
            if not left:
                raise
    try:
        lost = cluster.add_node(num_cpus=second)
        cluster.wait_for_nodes()
        yield cluster, lost
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def _killed(cluster: Any, lost: Any, when: Callable[[], bool]) -> Iterator[None]:
    """Kills a node meanwhile, once it is time."""
    ended, gone = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            if when():
                cluster.remove_node(lost, allow_graceful=False)
                gone.set()
                return

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if not gone.is_set():
        raise SystemExit("the work ended before a node could be killed")


if __name__ == "__main__":
    frame.run(__doc__, measure)
