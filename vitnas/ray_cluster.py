"""Ray clusters: joining one that runs, or starting one of this machine alone that nobody else can reach."""

from __future__ import annotations

import atexit
import os
import secrets
import signal
import socket
import sys
from contextlib import ExitStack

from vitnas.errors import VitnasError
from vitnas.files.temporary import temporary_folder
from vitnas.interruption import Stopped, handlers_kept, postponed

ANSWER_S = 5.0
"""How long a cluster may take to answer before it counts as not there."""

SETTINGS_FRAME = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""The first frame that both sides of HTTP/2 send; its fourth byte is its kind."""

LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray listens on the loopback interface alone where clusters of several machines are off, as they are on a Mac."""

LONGEST_FOLDER = 36
"""Characters that the path of Ray's folder may have, so that those of the sockets below it stay within 103."""

_own = ExitStack()
"""What a cluster of our own holds."""


def connect(cores: int, address: str | None, failure: type[VitnasError]) -> bool:
    """Connects this process to Ray; whether it did, for then it shall also call `disconnect`.

    Args:
        cores: that the work takes; a cluster of our own has just so many, one that is joined must have them.
        address: of a running cluster, ``"auto"`` to find it; without one, a cluster of this machine.
        failure: what to raise where there is none.
    """
    if address is None:
        _close_doors()
    elif not _answers(address):
        raise failure(_no_answer(address, f"nothing that speaks as Ray does answered within {ANSWER_S:g} s"))
    import ray

    started = not ray.is_initialized()
    if started:
        try:
            with postponed(), handlers_kept():  # Ray loses what a signal raises within its calls
                if address:
                    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
                else:
                    _start_local_cluster(cores)
        except BaseException as error:
            disconnect()
            if isinstance(error, SystemExit) and error.code in (1, signal.SIGTERM):  # Ray's own handler meanwhile
                raise Stopped(signal.SIGTERM) from None
            if isinstance(error, ConnectionError | RuntimeError | ValueError | OSError | SystemExit):
                raise failure(_no_answer(address, str(error))) from None
            raise
    with postponed():
        found = int(ray.cluster_resources().get("CPU", 0))
    if found < cores:
        if started:
            disconnect()
        raise failure(f"{cores} workers need as many cores, the Ray cluster has {found}; ask for fewer")
    return started


def disconnect() -> None:
    """Leaves Ray; a cluster of our own ends, and its folder goes."""
    import ray

    with handlers_kept():
        ray.shutdown()
    _own.close()


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


def _close_doors() -> None:
    """Keeps others out of a cluster of our own: other machines by the interface, other users of this one by a token.

    The token exists only in this process and its children, and nothing is written to the home folder
    for it. Ray reads both settings once, when it is first imported; after that they stay as they are.
    """
    if "ray" in sys.modules:
        return
    for name, value in LOOPBACK_ONLY.items():
        os.environ.setdefault(name, value)
    if "RAY_AUTH_MODE" not in os.environ:
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    atexit.register(_own.close)  # before Ray's own, so that it comes after


def _start_local_cluster(cores: int) -> None:
    """Ray on this machine alone, in a folder of this user alone: no dashboard, one computing thread a worker."""
    import ray

    threads = os.environ.get("OMP_NUM_THREADS")
    folder = (
        _own.enter_context(temporary_folder(LONGEST_FOLDER)) / "r"
    )  # Ray opens its folder to everyone, but not the one above
    os.environ["OMP_NUM_THREADS"] = "1"  # inherited by the workers
    try:
        ray.init(
            address="local",
            num_cpus=cores,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="ERROR",
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder),
        )
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads
