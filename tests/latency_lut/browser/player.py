"""A program that plays the page: it speaks with the server as the page does, and runs networks with ONNX Runtime."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnxruntime

FACTS: dict[str, Any] = {
    "browser": "Player 1.0",
    "engine": "CPython",
    "system": "Testland 1",
    "model": "",
    "processor": "x86 64",
    "gpu": "",
    "cores": 2,
    "isolated": True,
    "webgpu": False,
    "clock_ms": 0.005,
}


class Connection:
    """One address with its token."""

    def __init__(self, url: str) -> None:
        told = urlsplit(url)
        self.base = told.path
        self._http = http.client.HTTPConnection(told.hostname or "", told.port, timeout=30)

    def ask(self, method: str, name: str, body: bytes | None = None) -> tuple[int, bytes]:
        self._http.request(method, self.base + name, body)
        answer = self._http.getresponse()
        return answer.status, answer.read()

    def post(self, name: str, said: Any) -> dict[str, Any]:
        status, content = self.ask("POST", name, json.dumps(said).encode())
        assert status == 200, content
        found: dict[str, Any] = json.loads(content)
        return found


class Page(threading.Thread):
    """Opens the address and does every job until the command has ended, or for so many jobs."""

    def __init__(self, url: str, jobs: int | None = None, **facts: Any) -> None:
        super().__init__(daemon=True)
        self._connection = Connection(url)
        self._left = jobs
        self._facts = FACTS | facts
        self._sessions: dict[str, tuple[Any, dict[str, Any]]] = {}
        self.said: list[str] = []
        self.refused = self._page = ""
        self.start()

    def run(self) -> None:
        answer = self._connection.post("hello", self._facts)
        if "refused" in answer:
            self.refused = answer["refused"]
            return
        self._page = answer["page"]
        done: dict[str, Any] = {}
        while self._left != 0:
            job = self._connection.post("turn", {"page": answer["page"], **done})
            done = {}
            if job["do"] == "hello":
                self._sessions.clear()
                answer = self._connection.post("hello", self._facts)
                continue
            if job["do"] in ("end", "over"):
                self.said.append(job.get("say", job["do"]))
                return
            if job["do"] != "wait":
                done = {"number": job["number"], **self._do(job)}
                self._left = None if self._left is None else self._left - 1

    def _do(self, job: dict[str, Any]) -> dict[str, Any]:
        if job["do"] == "forget":
            self._sessions.clear()
        elif job["do"] == "load":
            status, content = self._connection.ask("GET", job["name"])
            assert status == 200
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            feed = {session.get_inputs()[0].name: np.ones(job["shape"], np.float32)}
            self._sessions[job["name"]] = session, feed
        elif job["do"] == "run":
            session, feed = self._sessions[job["name"]]
            start = time.perf_counter()
            for _ in range(job["runs"]):
                session.run(None, feed)
            return {"ms": (time.perf_counter() - start) * 1e3}
        return {}


class Opener:
    """Takes what a device says; opens a page as soon as that is an address."""

    def __init__(self, open_page: Callable[[str], Any] = Page) -> None:
        self.told: list[str] = []
        self.pages: list[Any] = []
        self.url = ""
        self._open = open_page

    def __call__(self, text: str) -> None:
        self.told.append(text)
        if "http://" in text:
            self.url = text[text.index("http://") :].split()[0]
            self.pages.append(self._open(self.url))
