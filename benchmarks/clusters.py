"""What is lost when a machine of a cluster is?

Two nodes of Ray on this machine; one is killed with all its workers, in a search (the other node goes on) and in a training (another
node comes in its place). Both are compared with what one process alone made of the same.

Keys: nodes_killed; evaluations_lost (archs that the search of one process evaluated and that of the cluster did not), evaluations_again
(made once more, as they were under way), front_same (1: the same bytes); steps_again (of the training, made once more since the last
checkpoint, at most), weights_same (1: the same bits as two workers that nothing disturbed).
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frame
import torch

from vitnas.files import read_lines
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
from vitnas.supernets.training.train import start_run
from vitnas.supernets.weights.checkpoints import checkpoint_folders, load_supernet

SPACE = load_space("autoformer-mini", Task(16))
SETTINGS = SearchSettings(
    evaluations=30, initial=12, batch=9, population=20, generations=5, patience=0, objectives=("accuracy", "macs")
)
CHECKPOINT_EVERY = 5


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


def measure(quick: bool, only: str | None = None) -> dict[str, float]:
    parts: Mapping[str, Callable[[Path], dict[str, float]]] = {"search": _search, "training": _training}
    chosen = [only] if only else ["search"] if quick else list(parts)
    with tempfile.TemporaryDirectory() as folder:
        found = {key: value for name in chosen for key, value in parts[name](Path(folder)).items()}
    found["nodes_killed"] = float(len(chosen))
    return found


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
    settings = TrainSettings(
        steps=60, batch_size=16, threads=2, log_every=1, checkpoint_every=CHECKPOINT_EVERY, loggers=()
    )
    space = load_space("autoformer-mini", Task(8, 10, 1))
    runs = {name: start_run(folder / f"{name}-run", space, "digits", settings) for name in ("calm", "disturbed")}
    train_on_ray(runs["calm"], 2)
    with _cluster(1, 1) as (cluster, lost):
        run = runs["disturbed"]
        with _killed(cluster, lost, lambda: bool(checkpoint_folders(run)), instead=1):
            train_on_ray(run, 2, cluster.address)
    weights = {name: load_supernet(run).state_dict() for name, run in runs.items()}
    same = all(torch.equal(weight, weights["calm"][name]) for name, weight in weights["disturbed"].items())
    return {
        "weights_same": float(same),
        "steps_again": float(CHECKPOINT_EVERY),
        "steps": float(_steps(runs["disturbed"])),
    }


def _steps(run: RunFolder) -> int:
    return max(int(line["step"]) for line in read_lines(run.metrics_file))


@contextmanager
def _cluster(first: int, second: int) -> Iterator[tuple[Any, Any]]:
    """A cluster of two nodes with so many cores each, and the second of them."""
    import ray
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": first, "include_dashboard": False})
    try:
        lost = cluster.add_node(num_cpus=second)
        cluster.wait_for_nodes()
        yield cluster, lost
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def _killed(cluster: Any, lost: Any, when: Callable[[], bool], instead: int = 0) -> Iterator[None]:
    """Kills a node meanwhile, once it is time; another of so many cores comes in its place."""
    ended, gone = threading.Event(), threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            if when():
                cluster.remove_node(lost, allow_graceful=False)
                gone.set()
                if instead:
                    cluster.add_node(num_cpus=instead)
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
    frame.run(__doc__, measure, {"--only": {"choices": ["search", "training"], "help": "one part"}})
