"""What an evaluation costs beyond itself on many Ray workers, and what a search loses when workers are killed.

Evaluations sleep, so that the workers of a cluster fit on the few cores of this machine; what is measured is the
executor and Ray. Efficiency is the time that evaluations slept, divided by the time that all workers were there. The
workers have started before the clock does, as they live as long as a search. Every worker gets the same number of
evaluations, many in a row.

`overhead_ms` is a round trip: what an evaluation that does nothing takes with one worker. `overhead_ms.64` is the time
between two such results of 64 workers: what the side that hands out work needs for each. With kills, 5 % of 64
workers are ended by SIGKILL every minute while evaluations sleep 1 s; `lost` are evaluations without a result.

The quick sample: up to 4 workers, 0.1 s, and kills among 4 workers every 2 s.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress

import frame

from vitnas.errors import SearchError
from vitnas.nas.execution.ray import RayExecutor
from vitnas.ray_cluster import connect

WORKERS = (1, 2, 4, 8, 16, 64)
IN_A_ROW = {0.1: 50, 1.0: 15, 10.0: 3}
"""Seconds of an evaluation -> how many of them each worker gets."""
EMPTY = 500
KILLED_A_MINUTE = 0.05
KILLS_S = 150.0


def evaluation(item: tuple[int, float]) -> tuple[int, int]:
    """Sleeps, and tells where."""
    number, seconds = item
    time.sleep(seconds)
    return number, os.getpid()


def measure(quick: bool) -> frame.Results:
    connect(WORKERS[2] if quick else WORKERS[-1], None, SearchError)
    results: dict[str, float] = {}
    for num in WORKERS[:3] if quick else WORKERS:
        with RayExecutor(num) as executor:
            crew = Crew(executor)
            for seconds, in_a_row in {0.1: 10}.items() if quick else IN_A_ROW.items():
                took = crew.evaluate(num * in_a_row, seconds)[0]
                results[f"efficiency.{num}.{seconds:g}"] = seconds * in_a_row / took
                print(f"{num} workers, {seconds:g} s: {seconds * in_a_row / took:.3f}", flush=True)
            if num == 1:
                results["overhead_ms"] = 1e3 * crew.evaluate(EMPTY, 0.0)[0] / EMPTY
            if num == WORKERS[-1]:
                results[f"overhead_ms.{num}"] = 1e3 * crew.evaluate(10 * EMPTY, 0.0)[0] / (10 * EMPTY)
            if num == (WORKERS[2] if quick else WORKERS[-1]):
                plan = (0.1, 4.0, 12.0) if quick else (1.0, 60 / (KILLED_A_MINUTE * num), KILLS_S)
                results |= _with_kills(crew, *plan)
    return results


class Crew:
    """Workers that have all started.

    Attributes:
        alive: their processes, as far as they are known.
    """

    def __init__(self, executor: RayExecutor) -> None:
        self.executor = executor
        self.alive: set[int] = set()
        while len(self.alive) < executor.workers:
            self.evaluate(2 * executor.workers, 0.05)

    def evaluate(self, items: int, seconds: float) -> tuple[float, int]:
        """Seconds for some evaluations, and how many of them were answered."""
        start = time.perf_counter()
        answered = set()
        for position, outcome in self.executor.as_completed(evaluation, [(i, seconds) for i in range(items)]):
            if outcome.value is not None:
                assert outcome.value[0] == position
                answered.add(position)
                self.alive.add(outcome.value[1])
        return time.perf_counter() - start, len(answered)


def _with_kills(crew: Crew, seconds: float, every_s: float, for_s: float) -> dict[str, float]:
    """A worker is killed again and again while evaluations last."""
    num = crew.executor.workers
    items = int(num * for_s / seconds)
    killed, done, rng = 0, threading.Event(), random.Random(0)

    def kill() -> None:
        nonlocal killed
        while not done.wait(every_s):
            with suppress(ProcessLookupError, IndexError):
                pid = rng.choice(sorted(crew.alive))
                crew.alive.discard(pid)
                os.kill(pid, signal.SIGKILL)
                killed += 1

    killer = threading.Thread(target=kill)
    killer.start()
    took, answered = crew.evaluate(items, seconds)
    done.set()
    killer.join()
    print(
        f"{killed} of {num} workers killed in {took:.0f} s, {items - answered} of {items} evaluations lost", flush=True
    )
    return {"efficiency_with_kills": items * seconds / num / took, "lost": items - answered, "killed": killed}


if __name__ == "__main__":
    frame.run(__doc__, measure)
