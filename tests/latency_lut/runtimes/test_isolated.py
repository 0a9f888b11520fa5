"""Measuring in a process of its own, with the real runtime and with one that breaks."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vitnas.errors import DeviceError
from vitnas.latency_lut.runtimes.energy import energy_meter
from vitnas.latency_lut.runtimes.isolated import measure_apart
from vitnas.latency_lut.runtimes.memory import peak_of
from vitnas.latency_lut.runtimes.worker import pin
from vitnas.latency_lut.settings import TimingSettings
from vitnas.search_spaces import Blueprint, LayerSpec

BRIEF = TimingSettings(block_ms=1, blocks=3, warmup_ms=5, max_warmup_ms=10, max_repeats=1, group=1)
EMPTY = Blueprint((), ())
BREAKING = """
import os, sys, time
from vitnas.errors import DeviceError
from vitnas.latency_lut.protocol import wall_clock
from vitnas.latency_lut.runtimes.runtime import Loaded, Runtime


class Breaking(Runtime):
    loaded = 0

    def load(self, blueprint):
        print("libraries may print")
        Breaking.loaded += 1  # the first is the reference
        if Breaking.loaded == 3:
            if len(blueprint):
                raise DeviceError("this layer is refused")
            print("the last words", file=sys.stderr)
            sys.stderr.flush()
            os._exit(9)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        return Loaded(wall_clock(lambda: time.sleep(1e-4)), cores)
"""


@pytest.fixture
def breaking(tmp_path, monkeypatch):
    (tmp_path / "breaking.py").write_text(BREAKING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "breaking:Breaking"


def test_a_process_that_dies_leaves_what_it_had_and_says_its_last_words(breaking):
    answers = measure_apart(breaking, [EMPTY, EMPTY], BRIEF)
    assert next(answers).median_ms > 0.1
    with pytest.raises(DeviceError, match="ended with code 9 before network 2 of 2: the last words. What was measured"):
        next(answers)


def test_an_error_of_ours_comes_through_as_it_is(breaking):
    layer = Blueprint.single(LayerSpec.of("classifier", (5, 4), (3,), pool="mean"))
    with pytest.raises(DeviceError, match="^this layer is refused$"):
        list(measure_apart(breaking, [layer, layer], BRIEF))


ORPHAN = """
import os, pathlib, time
from vitnas.latency_lut.runtimes.runtime import Runtime


class Orphan(Runtime):
    def load(self, blueprint):
        path = pathlib.Path(__file__).with_name("process")
        path.with_suffix(".tmp").write_text(str(os.getpid()))
        path.with_suffix(".tmp").rename(path)
        time.sleep(60)
"""
ASKING = """
from vitnas.latency_lut.settings import TimingSettings
from vitnas.latency_lut.runtimes.isolated import measure_apart
from vitnas.search_spaces import Blueprint

list(measure_apart("orphan:Orphan", [Blueprint((), ())], TimingSettings()))
"""


@pytest.mark.skipif(os.name != "posix", reason="there is no kill -9")
def test_the_process_ends_with_whoever_asked(tmp_path):
    (tmp_path / "orphan.py").write_text(ORPHAN)
    asking = subprocess.Popen([sys.executable, "-c", ASKING], env=os.environ | {"PYTHONPATH": str(tmp_path)})
    assert _in_time(lambda: (tmp_path / "process").exists(), 30)
    process = int((tmp_path / "process").read_text())
    asking.kill()
    asking.wait()
    assert _in_time(lambda: not _runs(process), 10)


def _in_time(what, seconds):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.05)
    return what()


def _runs(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{process}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_the_process_keeps_to_its_cores_and_this_one_keeps_its_own(breaking):
    before = os.sched_getaffinity(0)
    assert next(measure_apart(breaking, [EMPTY], BRIEF)).peak_bytes == 1
    free = next(measure_apart(breaking, [EMPTY], BRIEF, pinned=False))
    assert free.peak_bytes == len(before) == len(os.sched_getaffinity(0))
    with pytest.raises(DeviceError, match="999 threads need as many cores"):
        pin(999)
    assert os.sched_getaffinity(0) == before


def test_energy_is_counted_over_packages_and_past_the_end_of_their_range(tmp_path):
    assert energy_meter(tmp_path) is None
    for name, microjoules in (("intel-rapl:0", 900), ("intel-rapl:1", 5), ("intel-rapl:0:0", 777)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{microjoules}\n")
        (tmp_path / name / "max_energy_range_uj").write_text("1000\n")
    millijoules = energy_meter(tmp_path)
    start = millijoules()
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("100\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("8\n")
    assert millijoules() - start == pytest.approx(0.203)


def test_peak_memory_is_what_a_step_adds_even_if_it_gives_it_back():
    size = 30_000_000
    result, peak_bytes = peak_of(lambda: len(bytes(range(1, 251)) * (size // 250)))
    assert result == size
    if peak_bytes is not None:
        assert 0.9 * size < peak_bytes < 1.5 * size
        assert peak_of(lambda: None)[1] < 0.1 * size
