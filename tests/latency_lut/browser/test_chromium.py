"""Profiling in a real browser, closed and opened again half-way. Skipped where there is none, or no ONNX Runtime Web."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.chromium import RUNTIME, Tab, needs_browser
from tests.latency_lut.browser.player import Opener
from vitnas.api.profiling import profile
from vitnas.latency_lut.browser.device import Browser
from vitnas.latency_lut.browser.onnxruntime_web import GIVEN
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import load_space

pytestmark = needs_browser


class Visitor(threading.Thread):
    """Opens a page, closes it after so many blocks, and opens it again."""

    def __init__(self, url: str, folder: Path, blocks: int) -> None:
        super().__init__(daemon=True)
        self._url, self._folder, self._blocks = url, folder, blocks
        self.said: list[str] = []
        self.last = ""
        self.start()

    def run(self) -> None:
        with Tab(self._url, self._folder / "first") as tab:
            tab.wait_for(f"+document.getElementById('blocks')?.textContent > {self._blocks}")
            self.said += tab.said
            tab.ask("Page.navigate", url="about:blank")
            tab.wait_for("location.href == 'about:blank'")
        with Tab(self._url, self._folder / "second") as tab:
            self.last = tab.wait_for(
                "document.body?.innerText.includes('All is measured') && document.body.innerText", 280
            )
            self.said += tab.said


@pytest.mark.parametrize("threads", [1, 2])
def test_a_browser_gives_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    monkeypatch.setenv(GIVEN, RUNTIME)
    space = tmp_path / "tiny.toml"
    space.write_text('name = "tiny"\nextends = "autoformer-mini"\n[only]\nwidth = [48]\ndepth = [3]\nheads = [2, 4]\n')
    quick = ProfileSettings(
        block_ms=2,
        blocks=4,
        warmup_ms=5,
        max_warmup_ms=40,
        max_repeats=1,
        fit_networks=3,
        test_networks=3,
        max_passes=1,
    )
    say = Opener(lambda url: Visitor(url, tmp_path, 40))
    path = tmp_path / "table.parquet"
    profile(load_space(str(space)), Browser(threads, say=say), quick, path=path)
    (visitor,) = say.pages
    visitor.join(30)
    table = LatencyTable.read(path)
    assert "All is measured" in visitor.last
    assert visitor.said == []
    assert "Chrom" in table.header.fingerprint["browser"]
    assert (table.header.fingerprint["engine"], table.header.fingerprint["isolated"]) == ("V8", "yes")
    assert table.header.fidelity is not None
    assert (
        0 < table.header.overhead_ms < max(row.timing.reference_ms for row in table.rows)
    )  # a call that computes nothing
