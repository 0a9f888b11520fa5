"""What is lost when a machine of a cluster is?

Two nodes of Ray on this machine; one is killed with all its workers in a search, and the other goes on. The front is compared with what one
process alone found.

Keys: nodes_killed; evaluations_lost (archs that the search of one process evaluated and that of the cluster did not), evaluations_again
(made once more, as they were under way), front_same (1: the same bytes).
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import frame

from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.search_spaces import Arch, Task, load_space
from vitnas.supernets.counting.population import PopulationCounter

SPACE = load_space("autoformer-mini", Task(16))
SETTINGS = SearchSettings(
    evaluations=30, initial=12, batch=9, population=20, generations=5, patience=0, objectives=("accuracy", "macs")
)


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
        return {**_search(Path(folder)), "nodes_killed": 1.0}


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
