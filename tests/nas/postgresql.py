"""A PostgreSQL server of its own for tests that share a study through one, where its programs are installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def _program(name: str) -> str | None:
    """Debian keeps the server's programs off PATH, a folder for each version."""
    places = [str(path.parent) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)]
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))


@contextmanager
def server() -> Iterator[str]:
    """The URL of a server without a database's name at the end; skips where there is none."""
    pytest.importorskip("psycopg", reason="needs PostgreSQL's driver psycopg")
    initdb, postgres = _program("initdb"), _program("postgres")
    if initdb is None or postgres is None:
        pytest.skip("needs the programs initdb and postgres of a PostgreSQL server")
    user = "nobody" if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="vitnas-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        data, quiet = folder / "data", {"user": user, "stdout": subprocess.DEVNULL, "cwd": folder}
        subprocess.run(
            [initdb, "-D", data, "-U", "me", "-A", "trust", "-N", "--locale=C", "-E", "UTF8"], check=True, **quiet
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # Without fsync: the disk is not what is tested.
        command = [postgres, "-D", data, "-p", str(port), "-k", folder, "-h", "127.0.0.1", "-F"]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **quiet)
        try:
            url = f"postgresql://me:secret@127.0.0.1:{port}"
            _wait(url, process)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # waits for no client, such as a pool of connections
            process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def new_database(url: str, name: str) -> str:
    """The URL of an empty database on a server."""
    with _connected(f"{url}/postgres") as connection:
        connection.execute(f"create database {name}")
    return f"{url}/{name}"


def _wait(url, process):
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            with _connected(f"{url}/postgres"):
                return
        except psycopg.OperationalError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)


@contextmanager
def _connected(url):
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        yield connection
