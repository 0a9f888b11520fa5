"""Ray clusters: joining one that runs, or starting one of this machine alone that nobody else can enter."""

from __future__ import annotations

import os
import secrets
import socket
import sys

from vitnas.errors import VitnasError

ANSWER_S = 5.0
"""How long a cluster may take to answer before it counts as not there."""

SETTINGS_FRAME = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The first frame that both sides of HTTP/2 send; its fourth byte is its kind."""


def connect(cores: int, address: str | None, failure: type[VitnasError]) -> bool:
    """Connects this process to Ray; whether it did, for then it shall also call ``ray.shutdown()``.

    Args:
        cores: that the work takes; a cluster of our own has just so many, one that is joined must have them.
        address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
        failure: what to raise where there is none.
    """
    if address is None:
        _make_secret()
    elif not _answers(address):
        raise failure(_no_answer(address, f"nothing that speaks as Ray does answered within {ANSWER_S:g} s"))
    import ray

    started = not ray.is_initialized()
    if started:
        try:
            if address:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            else:
                _start_local_cluster(cores)
        except (ConnectionError, RuntimeError, ValueError, OSError, SystemExit) as error:
            raise failure(_no_answer(address, str(error))) from None
    found = int(ray.cluster_resources().get("CPU", 0))
    if found < cores:
        if started:
            ray.shutdown()
        raise failure(f"{cores} workers need as many cores, the Ray cluster has {found}; ask for fewer")
    return started


def _no_answer(address: str | None, reason: str) -> str:
    where = f"the Ray cluster at '{address}' does not answer" if address else "Ray cannot start"
    return f"{where}: {reason}; check --ray-address, or work in one process with --workers 1"


def _answers(address: str) -> bool:
    """Whether an HTTP/2 server is at ``host:port``: Ray itself waits minutes for one, and then ends the process."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():  # "auto" and the like, which Ray looks up at once
        return True
    try:
        with socket.create_connection((host, int(port)), timeout=ANSWER_S) as line:
            if os.environ.get("RAY_USE_TLS") == "1":
                return True
            line.settimeout(ANSWER_S)
            line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS_FRAME)
            head = line.recv(len(SETTINGS_FRAME), socket.MSG_WAITALL)
            return len(head) == len(SETTINGS_FRAME) and head[3] == SETTINGS_FRAME[3]
    except OSError:
        return False


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
