"""The dashboard: what a search has found by now, for those who hold the token."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.reporting.conftest import SPACE, score
from vitnas.errors import SettingsError, VitnasError
from vitnas.files import only_here
from vitnas.nas.objectives import Objective
from vitnas.nas.study import Evaluation, Study
from vitnas.reporting.page import dashboard as dashboard_module
from vitnas.reporting.page.dashboard import Dashboard, optuna_dashboard
from vitnas.search_spaces import Arch

pytestmark = pytest.mark.heavy  # most of them work for a second or more

OBJECTIVES = (Objective.named("accuracy"), Objective.named("latency_ms"))
ARCHS = SPACE.sample(12, np.random.default_rng(3))


def figures(arch: Arch) -> dict[str, float]:
    return {**score(arch), "latency_ms": 0.1 * arch["depth"] + arch["width"] / 1000, "latency_ms_std": 0.01}


class AtWork:
    """The folder of a search that has begun: its study, log and lock, and no front."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "search.log").write_text("begun\n")
        storage = f"sqlite:///{(folder / 'study.db').resolve()}"
        self.study = Study(SPACE, OBJECTIVES, storage, "s", {"device": "pretended"})

    def evaluate(self, archs: list[Arch]) -> None:
        for arch in archs:
            self.study.record(Evaluation(arch, figures(arch), 0.1))


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[AtWork]:
    with only_here(tmp_path / "s", "search"):
        yield AtWork(tmp_path / "s")


@contextmanager
def served(path: Path) -> Iterator[Dashboard]:
    with Dashboard(path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(server: Dashboard, path: str) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_only_the_token_opens_it(run: Path) -> None:
    with served(run) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert len(server.token) >= 32
        for path in ("/", "/data.json", "/?token=", f"/?token={server.token[:-1]}", "/?token=%ff", "/../../etc/passwd"):
            status, text, _ = ask(server, path)
            assert status == 403
            assert "digits" not in text
        status, text, headers = ask(server, f"/?token={server.token}")
        assert status == 200
        assert "<!doctype html>" in text
        assert server.token not in text
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "connect-src &#x27;self&#x27;" in text or "connect-src 'self'" in text
        assert ask(server, f"/config.toml?token={server.token}")[0] == 404
    with Dashboard(run) as another:
        assert another.token != server.token


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("target", ["http://[broken/", "//[::1", "http://[v1.x]]/?token=1", "/?token=%00", "*"])
def test_a_broken_request_is_answered_and_nothing_is_printed(
    run: Path, capfd: pytest.CaptureFixture[str], method: str, target: str
) -> None:
    with served(run) as server, socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as wire:
        wire.sendall(f"{method} {target} HTTP/1.0\r\n\r\n".encode())
        answer = b"".join(iter(lambda: wire.recv(4096), b""))
        assert answer.split()[1] in (b"400", b"403")
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b"Content-Length" in head
        assert bool(body) == (method == "GET")
        assert ask(server, "/")[0] == 403  # it goes on
    assert capfd.readouterr().err == ""


def test_it_tells_what_was_found_so_far(at_work: AtWork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard_module, "FRESH_SECONDS", 0.0)
    with served(tmp_path / "s") as server:

        def told() -> Any:
            status, text, _ = ask(server, f"/data.json?token={server.token}")
            assert status == 200, text
            return json.loads(text)

        assert told()["results"] == []  # begun, and nothing evaluated
        at_work.evaluate(ARCHS[:5])
        for n in (5, 12):
            at_work.evaluate(ARCHS[len(at_work.study) : n])
            data = told()
            (result,) = data["results"]
            assert data["at_work"]
            assert result["evaluations"] == n
            assert result["seed"] is None
            assert result["export_front"] is None  # there is no front.json yet
            found = {arch.id: figures(arch) for arch in ARCHS[:n]}
            best = {
                i
                for i, one in found.items()
                if not any(
                    o["accuracy"] >= one["accuracy"] and o["latency_ms"] <= one["latency_ms"] and o != one
                    for o in found.values()
                )
            }
            assert set(result["front"]) == best
            costs = [found[i]["latency_ms"] for i in result["front"]]
            assert costs == sorted(costs)
        at_work.study.record(Evaluation(SPACE.largest(), {}, 0.1, "killed"))
        assert told()["results"][0]["failed"] == 1


def test_a_finished_search_is_told_by_its_front(run: Path) -> None:
    with Dashboard(run) as server:
        data = server.describe()
    assert not data["at_work"]
    assert data["live"]
    assert [result["name"] for result in data["results"]] == ["search-pretended", "search-tight"]
    assert data["results"][1]["config"]["limits"]


def test_a_damaged_front_is_told_and_not_hidden(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(run / "search-tight", folder)
    (folder / "front.json").write_text("{")
    with served(folder) as server:
        status, text, _ = ask(server, f"/data.json?token={server.token}")
    assert status == 503
    assert "is not valid JSON" in text


def test_refusals(run: Path, tmp_path: Path) -> None:
    with pytest.raises(VitnasError, match="is no folder; name a run"):
        Dashboard(tmp_path / "nothing")
    with (
        Dashboard(run) as server,
        pytest.raises(VitnasError, match=f"cannot listen on 127.0.0.1:{server.server_port}: .*choose another --port"),
    ):
        Dashboard(run, server.server_port)


def test_the_command_prints_its_address_and_ends_when_asked(run: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vitnas.cli", "dashboard", str(run)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job would ignore it
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", url)
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert b"<!doctype html>" in answer.read()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert out == ""
        assert err == "stopped by SIGINT: it served nothing but what is in the folder\n"
    finally:
        process.kill()


def test_optunas_dashboard_is_started_where_it_is_installed(at_work: AtWork, tmp_path: Path) -> None:
    pytest.importorskip("optuna_dashboard", reason="needs `pip install optuna-dashboard`")
    at_work.evaluate(ARCHS[:2])
    with optuna_dashboard(tmp_path) as url:
        for _ in range(100):
            try:
                with urllib.request.urlopen(f"{url}api/studies", timeout=20) as answer:
                    studies = json.loads(answer.read())
                break
            except OSError:
                time.sleep(0.3)
        assert [study["study_name"] for study in studies["study_summaries"]] == ["s"]


def test_without_optunas_dashboard_it_says_what_to_install(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="pip install optuna-dashboard"), optuna_dashboard(run):
        pass
