"""On what the functions of an executor compute, as results state it."""

from __future__ import annotations

from vitnas.nas.execution.executor import Executor, SerialExecutor


def computed_on(executor: Executor) -> str | None:
    """The GPU, which must be here where this process is to use one; None for a processor, whose figures are the same everywhere.

    Args:
        executor: that was started.
    """
    from vitnas.supernets.torch_device import CPU, describe_device, find_device

    if not isinstance(executor, SerialExecutor):
        return None if executor.torch_device == "cpu" else executor.torch_device
    device = find_device(executor.torch_device)
    return None if device == CPU else describe_device(device)
