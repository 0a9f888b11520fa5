"""A browser as a device: networks go to a page that somebody opens, timings come back."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

from vitnas.errors import DeviceError
from vitnas.files.temporary import temporary_folder
from vitnas.latency_lut.browser.address import invitation
from vitnas.latency_lut.browser.conversation import BrowserFacts, Conversation, PageLost
from vitnas.latency_lut.browser.onnxruntime_web import (
    SCRIPTS,
    VERSION,
    Backend,
    missing,
    runtime_files,
    to_stderr,
)
from vitnas.latency_lut.browser.server import PageServer, ServedFiles, serving
from vitnas.latency_lut.devices.device import Device, reference_network
from vitnas.latency_lut.protocol import Stopwatch, Timing, measure
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint

PAGE = Path(__file__).parent / "page"
STEPS = 50
"""Steps of the browser's clock that a block must last at least, so that the clock adds no more than 2 %."""
FAREWELL_S = 0.5
"""How long the page has to hear that all is done."""
MOST_LOSSES = 3
"""How often the page may go while it has one group of networks, before one of them is taken for the reason."""


class Browser(Device):
    """ONNX Runtime Web in WebAssembly, fp32, in whichever browser opens the page; see `opened`."""

    base = "browser"
    backend: Backend = "wasm"
    origin = "measured elsewhere"
    stated_error = "stated by each table"

    def __init__(
        self,
        threads: int = 1,
        batch: int = 1,
        *,
        name: str | None = None,
        lan: bool = False,
        port: int = 0,
        say: Callable[[str], None] = to_stderr,
    ) -> None:
        """Nothing is served before it is opened.

        Args:
            threads: that a call may use.
            batch: images a call takes.
            name: what tables are to be called; by default that of the device with its options.
            lan: whether other machines of the network may open the page.
            port: of the page; 0 takes any that is free.
            say: told the address.
        """
        for label, value in (("threads", threads), ("batch", batch)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise DeviceError(f"device '{self.base}': {label} must be a whole number above zero, got {value!r}")
        self.threads, self.batch, self.lan, self.port = threads, batch, lan, port
        options = [f"-{threads}threads"] * (threads != 1) + [f"-batch{batch}"] * (batch != 1)
        self.name = "".join((self.base, *options)) if name is None else name
        self._say = say
        self._facts: BrowserFacts | None = None
        self._site = ServedFiles({}, {})
        self._talk: Conversation | None = None
        self._at = ""

    def fingerprint(self) -> dict[str, str | int]:
        """What is known before a page is open, and what its browser tells of itself from then on."""
        facts = self._facts
        return {
            "runtime": f"onnxruntime-web {VERSION} {self.backend}",
            "precision": "fp32",
            "layout": "NCHW",
            "threads": self.threads,
            "batch": self.batch,
            "clock": "wall_clock",
            "browser": facts.browser if facts else "unknown",
            "engine": facts.engine if facts else "unknown",
            "model": facts.model if facts else "unknown",
            "processor": facts.processor if facts else "unknown",
            "cores": facts.cores if facts else 0,
            "gpu": facts.gpu if facts else "unknown",
            "system": facts.system if facts else "unknown",
            "isolated": "unknown" if facts is None else "yes" if facts.isolated else "no",
        }

    def missing(self) -> str | None:
        return missing(self.backend)

    def at(self, threads: int, batch: int) -> Browser:
        return type(self)(threads, batch, lan=self.lan, port=self.port, say=self._say)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Serves the page while the block runs, which begins when somebody has opened it."""
        if why := self.missing():
            raise self._unusable(why)
        talk = Conversation(self._admit)
        files: dict[str, bytes | Path] = dict(runtime_files(self.backend, self._say))
        files |= {"index.html": PAGE / "measure.html"}
        files |= {name: PAGE / name for name in ("measure.js", "facts.js", "worker.js", "page.css")}
        begin = {"script": SCRIPTS[self.backend], "backend": self.backend, "threads": self.threads}
        files["begin.json"] = json.dumps(begin).encode()
        self._site = ServedFiles(files, {"hello": talk.hello, "turn": talk.turn, "alive": talk.alive, "bye": talk.bye})
        with serving(PageServer(self._site, self.lan, self.port)) as server:
            self._talk = talk
            farewell = (
                "The command has ended before all was measured. Run it again, and open the address that it prints."
            )
            try:
                self._say(invitation(server.url, self.lan, "measure; leave it in front until the command has ended"))
                self._facts = talk.wait_for_page()
                self._say(f"measuring in {self._facts.browser} on {self._facts.system}")
                yield
                farewell = "All is measured, and the table is written. This page may be closed."
            finally:
                talk.end(farewell)
                time.sleep(FAREWELL_S)
                self._talk = self._facts = None

    def time(
        self, blueprints: Sequence[Blueprint], settings: TimingSettings, reference: Blueprint | None = None
    ) -> Iterator[Timing]:
        if why := self.missing():
            raise self._unusable(why)
        if self._talk is None or self._facts is None:
            raise self._unusable("no page is open; measure with `vitnas profile`, which prints an address to open")
        return self._timings(self._talk, self._facts, blueprints, settings, reference)

    def _timings(
        self,
        talk: Conversation,
        facts: BrowserFacts,
        blueprints: Sequence[Blueprint],
        settings: TimingSettings,
        reference: Blueprint | None,
    ) -> Iterator[Timing]:
        from vitnas.latency_lut.runtimes.onnx import BlueprintFiles

        how = TimingSettings(**{f.name: getattr(settings, f.name) for f in fields(TimingSettings)})
        how = replace(how, block_ms=max(how.block_ms, STEPS * facts.clock_ms))
        beside = reference_network() if reference is None else reference
        with temporary_folder() as folder:
            files = BlueprintFiles(folder, self.batch)
            waiting = iter(enumerate(blueprints, 1))
            while group := list(itertools.islice(waiting, how.group)):
                for losses in itertools.count(1):
                    try:
                        found = self._group(talk, files.file, group, len(blueprints), beside, how)
                        break
                    except PageLost:
                        if losses == MOST_LOSSES:
                            raise self._unusable(
                                f"the page was gone {losses} times while it had the same networks, at last at {self._at}. "
                                "If nobody closed it, this network is too much for the browser: take another browser or a "
                                "smaller space"
                            ) from None
                        self._say(f"the page is gone, at {self._at}; open it again at the same address, and it goes on")
                        talk.wait_for_page()
                yield from found

    def _group(
        self,
        talk: Conversation,
        write: Callable[[Blueprint], Path],
        group: Sequence[tuple[int, Blueprint]],
        of: int,
        reference: Blueprint,
        settings: TimingSettings,
    ) -> list[Timing]:
        """Loads some networks into the page, measures them in turns with the reference, and lets them go."""
        self._at = "no network"
        talk.ask({"do": "forget", "say": f"loading networks {group[0][0]} to {group[-1][0]} of {of}"})
        beside = self._load(talk, write, "reference", reference)
        watches = [self._load(talk, write, f"network-{number}", blueprint) for number, blueprint in group]
        talk.ask({"do": "note", "say": f"measuring networks {group[0][0]} to {group[-1][0]} of {of}"})
        assert self._facts is not None
        return measure(watches, beside, settings, step_ms=self._facts.clock_ms)

    def _load(
        self, talk: Conversation, write: Callable[[Blueprint], Path], name: str, blueprint: Blueprint
    ) -> Stopwatch:
        shape = (self.batch, *blueprint.in_shape) if len(blueprint) else (1,)
        file, told = f"{name}.onnx", f"{name} ({_in_words(blueprint)})"
        self._at = told
        self._site.files[file] = write(blueprint).read_bytes()
        try:
            talk.ask({"do": "load", "name": file, "shape": shape})
        finally:
            del self._site.files[file]

        def run(runs: int) -> float:
            self._at = told
            return talk.ask({"do": "run", "name": file, "runs": runs})

        return run

    def _admit(self, facts: BrowserFacts) -> str | None:
        """Why a browser cannot take part."""
        if self.threads > 1 and not facts.isolated:
            return (
                f"{self.threads} threads share memory, which browsers allow on localhost or over HTTPS alone. Measure with "
                "one thread, or reach this server as localhost (docs/browsers.md says how)."
            )
        if self.backend == "webgpu" and not facts.webgpu:
            return (
                "This browser offers no WebGPU here. It is offered on localhost or over HTTPS alone; measure with "
                "--device browser where there is none."
            )
        return None

    def _unusable(self, why: str) -> DeviceError:
        return DeviceError(f"device '{self.name}' cannot be used here: {why}")


def _in_words(blueprint: Blueprint) -> str:
    """Enough of a network to find it again."""
    layers = blueprint.layers
    if len(layers) > 1:
        return f"{len(layers)} layers from '{layers[0].key}' to '{layers[-1].key}'"
    return f"'{layers[0].key}'" if layers else "no layers"


class BrowserWebGPU(Browser):
    """ONNX Runtime Web on the GPU through WebGPU, fp32; what comes out is read back in every call."""

    base = "browser-webgpu"
    backend: Backend = "webgpu"
