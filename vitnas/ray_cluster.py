"""Ray clusters: joining one that runs, or starting one of this machine alone that nobody else can enter."""

from __future__ import annotations

import os
import secrets
import sys

from vitnas.errors import VitnasError


def connect(cores: int, address: str | None, failure: type[VitnasError]) -> bool:
    """Connects this process to Ray; whether it did, for then it shall also call ``ray.shutdown()``.

    Args:
        cores: that the work takes; a cluster of our own has just so many, one that is joined must have them.
        address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
        failure: what to raise where there is none.
    """
    if address is None:
        _make_secret()
    import ray

    started = not ray.is_initialized()
    if started:
        try:
            if address:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            else:
                _start_local_cluster(cores)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = f"the Ray cluster at '{address}' does not answer" if address else "Ray cannot start"
            raise failure(f"{where}: {error}; check --ray-address, or work in one process with --workers 1") from None
    found = int(ray.cluster_resources().get("CPU", 0))
    if found < cores:
        if started:
            ray.shutdown()
        raise failure(f"{cores} workers need as many cores, the Ray cluster has {found}; ask for fewer")
    return started


def _make_secret() -> None:
    """Keeps others out of a cluster of our own: Ray listens on every interface.

    The token exists only in this process and its children, and nothing is written to the home folder
    for it. Ray reads its mode once, when it is first imported; after that it stays as it is.
    """
    if "ray" not in sys.modules and "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _start_local_cluster(cores: int) -> None:
    """Ray on this machine alone: no dashboard, one computing thread a worker."""
    import ray

    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the workers
    try:
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
        )
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
