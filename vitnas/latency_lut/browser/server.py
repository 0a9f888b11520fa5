"""A page served to this machine, or with a token to a network: known files, small posts, and nothing else."""

from __future__ import annotations

import hmac
import json
import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from vitnas.errors import VitnasError

HOST = "127.0.0.1"
MOST_POSTED = 64 * 1024
"""Bytes that a post may have."""
SILENT_S = 60.0
"""A connection that says nothing for so long is closed."""
STRANGER_S = 5.0
"""The same before it has shown the token."""
MOST_CONNECTIONS = 64
"""At a time; a page has six at most."""

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    # Alone with itself, a page may share memory between threads, and its clock is finer.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), screen-wake-lock=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}

Post = Callable[[Any], Any]
"""From what a page sends to what it is answered, both as JSON knows them."""


@dataclass
class ServedFiles:
    """What a page consists of.

    Attributes:
        files: by name, the page itself as ``index.html``; more may come and go while it is served.
        posts: what answers a post, by name.
    """

    files: dict[str, bytes | Path]
    posts: Mapping[str, Post]


class PageServer(ThreadingHTTPServer):
    """Answers those who know the token, which stands before every name."""

    daemon_threads = True

    def __init__(self, site: ServedFiles, lan: bool = False, port: int = 0) -> None:
        """Listens from now on.

        Args:
            site: what is served.
            lan: whether other machines may ask; otherwise this one alone.
            port: 0 takes any that is free.
        """
        self.site = site
        self.token = secrets.token_urlsafe(24)
        self._room = threading.BoundedSemaphore(MOST_CONNECTIONS)
        where = lan_address() if lan else HOST
        try:
            super().__init__((where, port), _PageHandler)
        except OSError as error:
            raise VitnasError(
                f"cannot listen on {where}:{port}: {error.strerror or error}; choose another --port"
            ) from None

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]!s}:{self.server_port}/{self.token}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for a connection, as long as there are not too many."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def name_in(self, path: str) -> str | None:
        """The name behind the token; None without it. The time that this takes tells nothing of the token."""
        given, _, name = path.removeprefix("/").partition("/")
        known = hmac.compare_digest(given.encode(errors="replace"), self.token.encode())
        return (name or "index.html") if known else None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A page that was closed while it was being answered is no news."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


@contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    """Serves in the background while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def lan_address() -> str:
    """This machine's address in its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))  # an address that is nobody's: which way would it go?
            return str(asked.getsockname()[0])
        except OSError:
            raise VitnasError("--lan: this machine is in no network; connect it, or leave out --lan") from None


class _PageHandler(BaseHTTPRequestHandler):
    server: PageServer
    server_version = "vitnas"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = STRANGER_S
    disable_nagle_algorithm = True

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        name = self._name()
        if name is None:
            return
        content = self.server.site.files.get(name)
        kind = KINDS.get(Path(name).suffix)
        if content is None or kind is None:
            self._refuse(404, "there is no such file here")
            return
        self._answer(200, kind, content if isinstance(content, bytes) else content.read_bytes())

    def do_POST(self) -> None:
        name = self._name()
        if name is None:
            return
        post = self.server.site.posts.get(name)
        length = self.headers.get("Content-Length", "")
        if post is None:
            self._refuse(404, "nothing is taken here")
        elif not length.isascii() or not length.isdigit():
            self._refuse(411, "say how long it is")
        elif len(length) > len(str(MOST_POSTED)) or int(length) > MOST_POSTED:
            self._refuse(413, f"at most {MOST_POSTED} bytes are taken")
        else:
            try:
                answer = post(json.loads(self.rfile.read(int(length))))
            except (
                ValueError,
                RecursionError,
                msgspec.ValidationError,
            ) as error:  # not JSON, or not what the page sends
                self._refuse(400, f"not understood: {str(error)[:200]}")
            else:
                self._answer(200, KINDS[".json"], json.dumps(answer).encode())

    def _name(self) -> str | None:
        """What is asked for; refuses who does not know the token."""
        try:
            path = urlsplit(self.path).path
        except ValueError:  # such as half an address in brackets
            self._refuse(400, "open the address that vitnas printed")
            return None
        name = self.server.name_in(path)
        if name is None:
            self._refuse(403, "open the address that vitnas printed, whole")
        else:
            self.connection.settimeout(SILENT_S)
        return name

    def _refuse(self, status: int, why: str) -> None:
        self.close_connection = True  # what else the request holds is not read
        self._answer(status, "text/plain; charset=utf-8", why.encode())

    def _answer(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        closing = {"Connection": "close"} if self.close_connection else {}
        for name, value in {
            **HEADERS,
            **closing,
            "Content-Type": kind,
            "Content-Length": str(len(content)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses hold the token."""
