"""The report served while a search is at work: to this machine alone, and to those who hold the token."""

from __future__ import annotations

import hmac
import importlib.util
import json
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from vitnas.errors import SettingsError, VitnasError
from vitnas.reporting.page.html import render_page
from vitnas.reporting.page.page_data import describe_page, plain
from vitnas.reporting.results import newest_study

HOST = "127.0.0.1"
FRESH_SECONDS = 2.0
"""How old an answer may be: many open pages cost no more than one."""
OPTUNA = """
import os, sys, threading
import optuna_dashboard
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()  # ends with whoever began it
optuna_dashboard.run_server(sys.argv[1], host=sys.argv[2], port=int(sys.argv[3]))
"""

Describe = Callable[[], dict[str, Any]]


class Dashboard(ThreadingHTTPServer):
    """Answers the page and its data to requests that bear the token, and nothing else."""

    daemon_threads = True

    def __init__(self, path: Path, port: int = 0, links: dict[str, str] | None = None) -> None:
        """Listens from now on.

        Args:
            path: a run, a search folder or a folder of searches.
            port: of 127.0.0.1; 0 takes any that is free.
            links: other pages to link, by name.
        """
        if not path.is_dir():
            raise VitnasError(f"'{path}' is no folder; name a run or the folder of a search")
        self.token = secrets.token_urlsafe(24)
        self._path, self._links = path, links or {}
        self._lock = threading.Lock()
        self._made, self._latest = -FRESH_SECONDS, dict[str, Any]()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise VitnasError(
                f"cannot listen on {HOST}:{port}: {error.strerror or error}; choose another --port"
            ) from None

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/?token={self.token}"

    def describe(self) -> dict[str, Any]:
        """What the page shows now."""
        with self._lock:
            if time.monotonic() - self._made >= FRESH_SECONDS:
                self._latest = describe_page(self._path, live=True) | {"links": self._links}
                self._made = time.monotonic()
            return self._latest

    def allows(self, query: str) -> bool:
        """Whether a query bears the token; the time that this takes tells nothing of it."""
        given = parse_qs(query).get("token", [""])[0]
        return hmac.compare_digest(given.encode(), self.token.encode())

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed while it was being answered is no news."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard
    server_version = "vitnas"
    sys_version = ""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        try:
            asked = urlsplit(self.path)
        except ValueError:  # such as half an address in brackets
            self._answer(400, "text/plain", "open the address that `vitnas dashboard` printed")
            return
        answers: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
            "/": ("text/html", render_page),
            "/data.json": ("application/json", lambda data: json.dumps(plain(data), allow_nan=False)),
        }
        if not self.server.allows(asked.query):
            self._answer(403, "text/plain", "open the address that `vitnas dashboard` printed, with its token")
        elif asked.path not in answers:
            self._answer(404, "text/plain", "there is only the page here")
        else:
            kind, write = answers[asked.path]
            try:
                text = write(self.server.describe())
            except VitnasError as error:
                self._answer(503, "text/plain", str(error))
            else:
                self._answer(200, kind, text)

    def _answer(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        for name, value in (
            ("Content-Type", f"{kind}; charset=utf-8"),
            ("Content-Length", str(len(content))),
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses hold the token."""


@contextmanager
def optuna_dashboard(path: Path) -> Iterator[str]:
    """Optuna's own dashboard of the newest study below a folder, on a free port; gives its address.

    It asks for no token, so every user of this machine can open it.
    """
    if importlib.util.find_spec("optuna_dashboard") is None:
        raise SettingsError("--optuna needs a package; install it with `pip install optuna-dashboard`")
    study = newest_study(path)
    if study is None:
        raise VitnasError(f"there is no study below '{path}' yet; start the search first, or leave out --optuna")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    storage = f"sqlite:///{study.resolve()}"
    process = subprocess.Popen(
        [sys.executable, "-c", OPTUNA, storage, HOST, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{HOST}:{port}/"
    finally:
        process.terminate()
        process.wait()
