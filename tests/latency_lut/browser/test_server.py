"""The server of pages: who has no token gets nothing, who has it gets the known files and no others."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.latency_lut.browser.player import Connection
from vitnas.errors import VitnasError
from vitnas.latency_lut.browser import server as page_server
from vitnas.latency_lut.browser.server import HOST, MOST_POSTED, PageServer, ServedFiles, serving

SECRET = "a secret beside the page"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PageServer]:
    (tmp_path / "page.html").write_text("<p>the page</p>")
    (tmp_path / "secret.html").write_text(SECRET)

    def double(said: object) -> object:
        if not isinstance(said, int):
            raise ValueError("no number")
        return 2 * said

    site = ServedFiles(
        {"index.html": tmp_path / "page.html", "network.onnx": b"\x08\x0a", "odd.exe": b"x"}, {"double": double}
    )
    with serving(PageServer(site)) as running:
        yield running


def whole(server: PageServer, request: bytes) -> bytes:
    """What the server answers to bytes as they are, until it closes the connection."""
    with socket.create_connection((HOST, server.server_port), timeout=10) as raw:
        raw.sendall(request)
        raw.shutdown(socket.SHUT_WR)
        parts = []
        while part := raw.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_files_and_posts_behind_the_token(server: PageServer) -> None:
    page = Connection(server.url)
    assert page.ask("GET", "") == page.ask("GET", "index.html") == (200, b"<p>the page</p>")
    assert page.ask("GET", "network.onnx?again") == (200, b"\x08\x0a")
    assert page.post("double", 21) == 42
    assert page.ask("HEAD", "") == (200, b"")


def test_files_come_and_go(server: PageServer) -> None:
    page = Connection(server.url)
    server.site.files["late.onnx"] = b"late"
    assert page.ask("GET", "late.onnx") == (200, b"late")
    del server.site.files["late.onnx"]
    assert page.ask("GET", "late.onnx")[0] == 404


@pytest.mark.parametrize("path", ["/", "/index.html", "//", "/x/index.html", "/%74oken/", "/\udce9/", "/?token="])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_without_the_token_there_is_nothing(server: PageServer, method: str, path: str) -> None:
    line = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n21".encode(errors="surrogateescape")
    answer = whole(server, line)
    assert answer.split()[1] in (b"403", b"400")
    assert b"the page" not in answer
    assert server.token.encode() not in answer


def test_half_a_token_is_none(server: PageServer) -> None:
    for token in (server.token[:-1], server.token + "x", server.token.swapcase(), ""):
        assert whole(server, f"GET /{token}/ HTTP/1.1\r\nHost: x\r\n\r\n".encode()).split()[1] == b"403"


@pytest.mark.parametrize(
    "name",
    ["secret.html", "../secret.html", "./index.html", "..%2fsecret.html", "%2e%2e/secret.html", "/etc/passwd", "odd.exe",
     "index.html/", "index.html%00", "double"],
)  # fmt: skip
def test_only_known_names_are_served(server: PageServer, name: str) -> None:
    answer = whole(server, f"GET /{server.token}/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] == b"404"
    assert SECRET.encode() not in answer


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        (f"Content-Length: {MOST_POSTED + 1}", b"1", b"413"),
        (f"Content-Length: {'9' * 5000}", b"1", b"413"),
        ("Content-Length: -1", b"1", b"411"),
        ("Content-Length: 1_0", b"1", b"411"),
        ("Transfer-Encoding: chunked", b"1\r\n1\r\n0\r\n\r\n", b"411"),
        ("Content-Length: 3", b"{[}", b"400"),
        ("Content-Length: 4", b'"no"', b"400"),
        ("Content-Length: 2", b"\xff\xfe", b"400"),
        ("Content-Length: 60000", b"[" * 60000, b"400"),
    ],
)
def test_posts_have_limits(server: PageServer, headers: str, body: bytes, status: bytes) -> None:
    head = f"POST /{server.token}/double HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode()
    answer = whole(server, head + body)
    assert answer.split()[1] == status
    assert b"Connection: close" in answer
    assert Connection(server.url).post("double", 1) == 2  # it still serves


def test_a_post_to_nothing_is_refused(server: PageServer) -> None:
    assert Connection(server.url).ask("POST", "triple", b"1")[0] == 404


def test_pages_are_alone_with_themselves(server: PageServer) -> None:
    asked = http.client.HTTPConnection(HOST, server.server_port, timeout=10)
    asked.request("GET", f"/{server.token}/")
    headers = asked.getresponse().headers
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe-inline" not in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    asked.close()


def test_every_server_has_a_token_of_its_own(server: PageServer) -> None:
    with PageServer(ServedFiles({}, {})) as other:
        assert other.token != server.token
        assert len(other.token) >= 32


def test_only_this_machine_can_ask_unless_told_otherwise(server: PageServer) -> None:
    assert server.server_address[0] == HOST
    with pytest.raises(VitnasError, match=rf"cannot listen on {HOST}:{server.server_port}: .*choose another --port"):
        PageServer(ServedFiles({}, {}), port=server.server_port)


def test_json_is_what_posts_answer(server: PageServer) -> None:
    status, content = Connection(server.url).ask("POST", "double", b"4")
    assert (status, json.loads(content)) == (200, 8)


def test_connections_are_few(server: PageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server, "MOST_CONNECTIONS", 3)
    with serving(PageServer(server.site)) as few:
        held = [socket.create_connection((HOST, few.server_port), timeout=5) for _ in range(3)]
        for one in held:
            one.sendall(b"GET /x")
        with socket.create_connection((HOST, few.server_port), timeout=5) as further:
            assert further.recv(1) == b""  # closed at once
        held[0].close()
        time.sleep(0.2)
        assert Connection(few.url).ask("GET", "")[0] == 200
        for one in held[1:]:
            one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have one address that means this machine")
def test_others_of_a_network_are_let_in_by_the_address_that_is_shown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_server, "lan_address", lambda: "127.0.0.2")
    with serving(PageServer(ServedFiles({"index.html": b"x"}, {}), lan=True)) as server:
        assert server.url.startswith(f"http://127.0.0.2:{server.server_port}/")
        assert Connection(server.url).ask("GET", "") == (200, b"x")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, server.server_port), timeout=5)
