"""The browser as a device, with a program that plays the page over real connections."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from tests.latency_lut.browser.player import FACTS, Opener, Page
from vitnas.api.profiling import profile
from vitnas.automation.candidates.clock import Clock
from vitnas.errors import DeviceError, SettingsError, VitnasError
from vitnas.latency_lut.browser import conversation, device
from vitnas.latency_lut.browser.device import Browser, BrowserWebGPU
from vitnas.latency_lut.browser.named import browser_named
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.settings import ProfileSettings, TimingSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import Blueprint, LayerSpec, load_space

BRIEF = TimingSettings(block_ms=2, blocks=8, warmup_ms=5, max_warmup_ms=20, max_repeats=1, group=2)
LAYER = Blueprint.single(LayerSpec.of("feed_forward", (65, 96), (65, 96), hidden=384))
EMPTY = Blueprint((), ())


@pytest.fixture(autouse=True)
def _no_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that is played brings a runtime of its own."""
    monkeypatch.setattr(device, "runtime_files", lambda backend, say: {})
    monkeypatch.setattr(device, "missing", lambda backend: None)
    monkeypatch.setattr(device, "FAREWELL_S", 0.2)


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A space of a few layers."""
    file = tmp_path / "tiny.toml"
    file.write_text('name = "tiny"\nextends = "autoformer-mini"\n[only]\nwidth = [48]\ndepth = [3]\nheads = [2, 4]\n')
    return file


def test_networks_are_timed_in_the_page() -> None:
    say = Opener()
    browser = Browser(say=say)
    with browser.opened():
        empty, first, second = browser.time([EMPTY, LAYER, LAYER], BRIEF)
        assert browser.fingerprint() == browser.fingerprint() | {"browser": "Player 1.0", "isolated": "yes", "cores": 2}
    assert {timing.blocks for timing in (empty, first, second)} == {BRIEF.blocks}
    assert 0 < empty.median_ms < first.median_ms
    assert first.reference_ms > 0
    say.pages[0].join(5)
    assert say.pages[0].said == ["All is measured, and the table is written. This page may be closed."]


def test_a_page_that_goes_and_comes_back_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "SILENT_S", 2.0)

    def reopened(text: str) -> None:
        say(text)
        if "the page is gone" in text:
            say.pages.append(Page(say.url))

    say = Opener(functools.partial(Page, jobs=25))
    browser = Browser(say=reopened)
    with browser.opened():
        timings = list(browser.time([LAYER, EMPTY, LAYER], BRIEF))
    assert len(timings) == 3
    assert len(say.pages) == 2
    assert timings[1].median_ms < min(timings[0].median_ms, timings[2].median_ms)


def test_a_killed_command_goes_on_to_a_table_like_any_other(tmp_path: Path, tiny: Path) -> None:
    space = load_space(str(tiny))
    quick = ProfileSettings(
        block_ms=0.5,
        blocks=3,
        warmup_ms=1,
        max_warmup_ms=4,
        max_repeats=1,
        fit_networks=2,
        test_networks=2,
        max_passes=1,
    )
    path = tmp_path / "pixel-8.parquet"
    opener = functools.partial(Opener, functools.partial(Page, model="Pixel 8"))

    class Killed(BaseException):
        pass

    class Dying(Browser):
        def time(self, *args, **kwargs):
            for number, timing in enumerate(super().time(*args, **kwargs)):
                if number == 3:
                    raise Killed
                yield timing

    with pytest.raises(Killed):
        profile(space, Dying(name="pixel-8", say=opener()), quick, path=path)
    journal = next(tmp_path.glob("*.partial.jsonl"))
    kept = journal.read_bytes().splitlines()
    assert len(kept) == 1 + 3
    asked: list[int] = []

    class Counting(Browser):
        def time(self, blueprints, *args, **kwargs):
            asked.append(len(blueprints))
            return super().time(blueprints, *args, **kwargs)

    profile(space, Counting(name="pixel-8", say=opener()), quick, path=path)
    table = LatencyTable.read(path)
    assert sum(asked) == 1 + len(table.rows) + 4 - 3  # the overhead, layers and networks, but for what was known
    assert (table.header.device, table.header.fingerprint["model"]) == ("pixel-8", "Pixel 8")
    assert str(table.header.fingerprint["runtime"]).startswith("onnxruntime-web ")
    assert table.header.fidelity is not None
    assert table.header.beside is not None
    assert not journal.exists()


def test_a_coarse_clock_makes_longer_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []
    measure = device.measure

    def noted(watches, beside, settings, *, step_ms):
        seen.append((settings.block_ms, step_ms))
        return measure(watches, beside, settings, step_ms=step_ms)

    monkeypatch.setattr(device, "measure", noted)
    browser = Browser(say=Opener(functools.partial(Page, clock_ms=0.2)))
    with browser.opened():
        list(browser.time([EMPTY], BRIEF))
    assert seen == [(10.0, 0.2)]


class Crashing(Page):
    """Ends at a network, as a tab does for which memory is too small."""

    def _do(self, job):
        if job["do"] == "load" and job["name"] == "network-2.onnx":
            self._connection.post("bye", {"page": self._page})
            self._left = 1  # no answer, and nothing after it
            return {}
        return super()._do(job)


def test_a_network_that_no_page_survives_is_named() -> None:
    def reopened(text: str) -> None:
        say(text)
        if "the page is gone" in text:
            say.pages.append(Crashing(say.url))

    say = Opener(Crashing)
    browser = Browser(say=reopened)
    named = r"network-2 \('feed_forward 65x96"
    with browser.opened(), pytest.raises(DeviceError, match=rf"gone 3 times .* {named}.*too much for the browser"):
        list(browser.time([EMPTY, LAYER], BRIEF))
    assert len(say.pages) == 3
    assert all(re.search(named, text) for text in say.told if "the page is gone" in text)


def test_what_cannot_become_a_table_is_refused_before_anybody_opens_a_page(tmp_path: Path, tiny: Path) -> None:
    space, say = load_space(str(tiny)), Opener()
    (tmp_path / "notes.parquet").write_text("no table")
    with pytest.raises(VitnasError, match="notes.parquet"):
        profile(space, Browser(say=say), path=tmp_path / "notes.parquet")
    with pytest.raises(DeviceError, match="computes no 'w8a8'"):
        profile(space.compressed(["w8a8"]), Browser(say=say), path=tmp_path / "table.parquet")
    with pytest.raises(VitnasError, match="gone.parquet"):
        profile(space, Browser(say=say), path=tmp_path / "table.parquet", corrects=tmp_path / "gone.parquet")
    assert say.told == []


def test_work_in_which_nobody_is_asked_to_open_a_page_refuses_browsers() -> None:
    with pytest.raises(DeviceError, match="nobody is asked to open one.*vitnas profile --device browser-2threads"):
        Clock({"browser-2threads": 5.0})


@pytest.mark.parametrize(
    ("browser", "facts", "why"),
    [
        (Browser(threads=2), {"isolated": False}, "2 threads share memory.*localhost or over HTTPS"),
        (BrowserWebGPU(), {"webgpu": False}, "offers no WebGPU"),
    ],
)
def test_a_browser_that_cannot_is_told_why(browser: Browser, facts: dict[str, bool], why: str) -> None:
    said = conversation.Conversation(browser._admit)
    assert re.search(why, said.hello(FACTS | facts)["refused"])


def test_without_a_page_nothing_is_timed() -> None:
    with pytest.raises(
        DeviceError, match="device 'browser' cannot be used here: no page is open; measure with `vitnas profile`"
    ):
        list(Browser().time([LAYER], BRIEF))


def test_names() -> None:
    assert load_device("browser-4threads").name == "browser-4threads"
    assert load_device("browser-webgpu-batch8").fingerprint()["batch"] == 8
    assert browser_named("cpu") is None
    assert browser_named(None) is None
    named = browser_named("pixel-8", "webgpu", None, lan=True, port=8000)
    assert (named.name, named.backend, named.lan, named.port) == ("pixel-8", "webgpu", True, 8000)
    assert browser_named("browser", threads=2).name == "browser-2threads"
    assert browser_named("browser-2threads").threads == 2


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"device": "cpu", "lan": True}, "--lan and --port are for"),
        ({"device": "cpu", "runs_by": "wasm"}, "no device of this machine"),
        ({"device": "cpu-2threads", "runs_by": "wasm"}, "no device of this machine"),
        ({"device": "My Phone", "runs_by": "wasm"}, "use lower-case letters"),
        ({"device": "pixel-8", "runs_by": "webnn"}, "by one of wasm, webgpu"),
        ({"device": "browser", "runs_by": "webgpu"}, "two devices"),
    ],
)
def test_what_makes_no_sense_is_refused(asked: dict[str, object], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        browser_named(**asked)


@pytest.mark.parametrize("device", ["browser", "pixel-8"])
def test_no_threads_are_refused(device: str) -> None:
    with pytest.raises(DeviceError, match="threads must be a whole number above zero, got 0"):
        browser_named(device, None if device == "browser" else "wasm", threads=0)
