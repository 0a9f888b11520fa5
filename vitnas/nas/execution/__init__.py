"""Where evaluations run: in this process, or on Ray workers."""

from __future__ import annotations

from vitnas.nas.execution.executor import Executor, SerialExecutor


def make_executor(
    workers: int,
    address: str | None = None,
    timeout_s: float | None = None,
    torch_device: str = "cpu",
    gpus_per_worker: float | None = None,
) -> Executor:
    """Serial for one worker without a cluster, else Ray.

    Args:
        workers: how many items are worked on at a time.
        address: of a running Ray cluster, ``"auto"`` to find it.
        timeout_s: the longest that one item may take; only another process can be stopped, so it needs Ray.
        torch_device: where functions shall compute.
        gpus_per_worker: what part of a GPU each Ray worker takes; None for equal parts of those there are.
    """
    if workers == 1 and address is None and timeout_s is None:
        return SerialExecutor(torch_device)
    from vitnas.nas.execution.ray import RayExecutor

    return RayExecutor(workers, address, timeout_s, torch_device, gpus_per_worker)
