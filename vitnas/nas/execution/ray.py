"""RayExecutor: workers in processes of their own, on this machine or many, that may die or hang and are replaced."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MethodType
from typing import Any

from vitnas.errors import SearchError
from vitnas.interruption import postponed
from vitnas.nas.execution.executor import TRIES, Executor, Outcome, R, T, attempt
from vitnas.ray_cluster import connect, disconnect

LOOK_S = 1.0
"""The longest that nobody looks at the clock."""

START_S = 120.0
"""How long workers may take to start while none is at work."""


class RayExecutor(Executor):
    """Ray actors that each hold the function and work on one item at a time.

    The function goes to the object store once; arrays in it are mapped into every worker of a node, not copied. A
    worker that dies, or works longer than `timeout_s` on an item, is replaced and the item tried again. A worker gets
    its first item when it has started, so nothing waits for one that cannot. A cluster that this executor started on
    this machine ends with it; one that it joined does not.
    """

    def __init__(
        self,
        workers: int,
        address: str | None = None,
        timeout_s: float | None = None,
        torch_device: str = "cpu",
        gpus_per_worker: float | None = None,
    ) -> None:
        """Starts nothing yet.

        Args:
            workers: how many items are worked on at a time; each takes one core of the cluster.
            address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
            timeout_s: the longest that one item may take.
            torch_device: where functions shall compute; "auto" takes GPUs if the cluster has any.
            gpus_per_worker: what part of a GPU each worker takes; None for equal parts of those there are.
        """
        if workers < 1:
            raise SearchError(f"cannot work with {workers} workers; give at least 1")
        if torch_device.startswith("cuda:"):
            raise SearchError(
                f"torch_device is '{torch_device}', but Ray gives each worker a GPU; choose 'cuda', and show Ray the GPUs that "
                "it may take with CUDA_VISIBLE_DEVICES"
            )
        self.workers = workers
        self._asked, self._gpus_per_worker = torch_device, gpus_per_worker
        self._gpus = 0.0
        self._address = address or os.environ.get("RAY_ADDRESS")
        self.timeout_s = timeout_s
        self._started = False
        self._idle: list[Any] = []
        self._starting: dict[Any, Any] = {}
        self._busy: dict[Any, _Task] = {}
        self._function: Callable[..., Any] | None = None
        self._function_ref: Any = None

    def start(self) -> None:
        self._started |= connect(self.workers, self._address, SearchError)
        if self._asked not in ("auto", "cuda"):
            self.torch_device = self._asked
            return
        import ray

        with postponed():
            there = int(ray.cluster_resources().get("GPU", 0))
        self._gpus = share_of_gpus(there, self.workers, self._gpus_per_worker, self._asked == "cuda")
        self.torch_device = "cuda" if self._gpus else "cpu"

    def as_completed(self, function: Callable[[T], R], items: Sequence[T]) -> Iterator[tuple[int, Outcome[R]]]:
        if not items:
            return
        self.start()
        import ray

        self._hold(function)
        waiting = deque((position, 1) for position in range(len(items)))
        pause = LOOK_S if self.timeout_s is None else min(LOOK_S, self.timeout_s / 4)
        alive = time.monotonic()
        false_starts = 0
        try:
            while waiting or self._busy:
                with postponed():  # Ray loses what a signal raises within its calls
                    while waiting and self._idle:
                        position, tries = waiting.popleft()
                        actor = self._idle.pop()
                        task = _Task(actor, position, tries, time.monotonic())
                        self._busy[actor.attempt.remote(items[position])] = task
                    self._hire(len(waiting))
                    ready, _ = ray.wait([*self._busy, *self._starting], num_returns=1, timeout=pause)
                    for ref in ready:
                        if ref in self._starting:
                            error = self._welcome(ref)
                            false_starts = 0 if error is None else false_starts + 1
                            if false_starts == TRIES:
                                raise SearchError(
                                    f"workers do not start: {error}; evaluate with --workers 1 to see more"
                                )
                if ready or self._busy:
                    alive = time.monotonic()
                elif time.monotonic() - alive > START_S:
                    raise SearchError(
                        f"no worker has started within {START_S:g} s: the cluster has {ray.available_resources().get('CPU', 0):g} "
                        "cores free; wait for them, or search on this machine alone"
                    )
                late = [ref for ref, task in self._busy.items() if ref not in ready and self._is_late(task)]
                for ref in (*(ref for ref in ready if ref in self._busy), *late):
                    task = self._busy.pop(ref)
                    with postponed():
                        outcome = self._give_up_on(task) if ref in late else self._collect(ref, task)
                    if outcome.error is not None and task.tries < TRIES:
                        waiting.appendleft((task.position, task.tries + 1))
                    else:
                        yield task.position, outcome
        finally:
            for task in self._busy.values():  # the caller stopped listening
                _kill(task.actor)
            self._busy.clear()

    def close(self) -> None:
        self._dismiss()
        self._function = self._function_ref = None
        if self._started:
            disconnect()
            self._started = False

    def _hold(self, function: Callable[..., Any]) -> None:
        """Sends a function to the object store once; workers that hold an older one end."""
        # A method of the same score is another object each time.
        if function is self._function or (isinstance(function, MethodType) and function == self._function):
            return
        import ray

        self._dismiss()
        try:
            with postponed():
                self._function_ref = ray.put(function)
        except Exception as error:
            raise SearchError(f"{function!r} cannot be sent to workers: {error}") from None
        self._function = function

    def _hire(self, wanted: int) -> None:
        """Starts workers until each waiting item will have one, or there are as many as there may be."""
        import ray

        there = len(self._busy) + len(self._idle) + len(self._starting)
        for _ in range(min(wanted - len(self._starting), self.workers - there)):
            actor = ray.remote(num_cpus=1, num_gpus=self._gpus, max_restarts=0)(_Worker).remote(self._function_ref)
            self._starting[actor.ready.remote()] = actor

    def _welcome(self, ref: Any) -> str | None:
        """A worker has started, or why it could not."""
        import ray

        actor = self._starting.pop(ref)
        try:
            ray.get(ref)
        except ray.exceptions.RayError as failure:
            _kill(actor)
            return _last_line(failure)
        self._idle.append(actor)
        return None

    def _is_late(self, task: _Task) -> bool:
        return self.timeout_s is not None and task.seconds > self.timeout_s

    def _collect(self, ref: Any, task: _Task) -> Outcome[Any]:
        import ray

        try:
            value, error, seconds = ray.get(ref)
        except ray.exceptions.RayTaskError as failure:
            self._idle.append(task.actor)
            return Outcome(None, f"the result cannot be sent back: {failure.cause}", task.seconds, task.tries)
        except ray.exceptions.RayError as failure:
            _kill(task.actor)
            reason = f"the worker died ({type(failure).__name__}: {_last_line(failure)})"
            return Outcome(None, reason, task.seconds, task.tries)
        self._idle.append(task.actor)
        return Outcome(value, error, seconds, task.tries)

    def _give_up_on(self, task: _Task) -> Outcome[Any]:
        _kill(task.actor)
        return Outcome(None, f"took longer than {self.timeout_s:g} s", task.seconds, task.tries)

    def _dismiss(self) -> None:
        for actor in (*self._idle, *self._starting.values()):
            _kill(actor)
        self._idle.clear()
        self._starting.clear()


def share_of_gpus(there: int, workers: int, wanted: float | None, needed: bool) -> float:
    """What part of a GPU each worker takes; 0 where there is none and none is needed.

    Args:
        there: GPUs of the cluster.
        workers: that shall work at a time.
        wanted: the part that was asked for; None for equal parts, so that as many workers as evenly as possible share one.
        needed: whether it must be GPUs.
    """
    if not there and not needed:
        return 0.0
    each = wanted if wanted is not None else 1 / -(-workers // there) if there else 1.0
    room = there * int(1 / each + 1e-9)  # a worker has its part of one GPU
    if room < workers:
        raise SearchError(
            f"{workers} workers with {each:g} GPUs each find room for {room} on the {there} GPUs of the Ray cluster; ask for "
            f"fewer workers or a smaller gpus_per_worker, or compute on the processor with torch_device 'cpu'"
        )
    return int(each * 10_000) / 10_000  # as finely as Ray divides


@dataclass
class _Task:
    actor: Any
    position: int
    tries: int
    since: float

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.since


class _Worker:
    """Lives in a Ray process and holds the function."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self._function = function

    def ready(self) -> None:
        """Answers when the function is there."""

    def attempt(self, item: Any) -> tuple[Any, str | None, float]:
        return attempt(self._function, item)


def _kill(actor: Any) -> None:
    import ray

    with suppress(ray.exceptions.RayError, ValueError):
        ray.kill(actor)


def _last_line(failure: Exception) -> str:
    return str(failure).strip().splitlines()[-1].strip()
