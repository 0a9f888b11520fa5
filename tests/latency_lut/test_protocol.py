"""Measured with pretended stopwatches: nothing here depends on the clock of a machine."""

import dataclasses

import numpy as np
import pytest

from vitnas.errors import SettingsError
from vitnas.latency_lut.protocol import Timing, align, measure
from vitnas.latency_lut.settings import TimingSettings

FAST = TimingSettings(block_ms=10, blocks=8, warmup_ms=20, max_warmup_ms=100)


class Machine:
    """Calls take a known time, times how slow the machine is at this moment."""

    def __init__(self, slowness):
        self.slowness = slowness
        self.now = 0.0
        self.blocks = 0

    def stopwatch(self, call_ms):
        def milliseconds(runs):
            self.blocks += 1
            took = runs * call_ms * self.slowness(self.now)
            self.now += took
            return took

        return milliseconds


def timings(machine, calls=(0.5, 0.02, 30.0), settings=FAST):
    return measure([machine.stopwatch(c) for c in calls], machine.stopwatch(0.1), settings)


def test_an_idle_machine_gives_the_exact_time():
    for timing, call_ms in zip(timings(Machine(lambda t: 1.0)), (0.5, 0.02, 30.0), strict=True):
        assert timing.median_ms == pytest.approx(call_ms)
        assert timing.iqr_ms == pytest.approx(0, abs=1e-9)
        assert timing.min_ms == pytest.approx(timing.p90_ms)
        assert (timing.blocks, timing.provenance) == (8, "measured")


def test_slow_drift_is_divided_out():
    found = timings(Machine(lambda t: 1 + t / 1e5))  # some percent over the whole session
    assert [t.median_ms / t.reference_ms for t in found] == pytest.approx([5.0, 0.2, 300.0], rel=5e-3)


def test_disturbed_blocks_are_repeated():
    calm = Machine(lambda t: 1.0)
    timings(calm)
    rough = Machine(lambda t: 3.0 if int(t / 80) % 3 == 0 else 1.0)
    assert [t.median_ms for t in timings(rough)] == pytest.approx([0.5, 0.02, 30.0], rel=0.02)
    assert rough.blocks > calm.blocks


def test_a_candidate_that_scatters_by_itself_goes_on_to_the_cap():
    rng = np.random.default_rng(0)
    machine = Machine(lambda t: 1.0)

    def scattering(runs):
        machine.now += 1
        return runs * rng.uniform(0.97, 1.03)

    def blocks_tried(max_spread):
        tried = []

        def counted(runs):
            tried.append(runs)
            return scattering(runs)

        settings = dataclasses.replace(FAST, max_spread=max_spread)
        (found,) = measure([counted], machine.stopwatch(0.1), settings)
        assert found.blocks == FAST.blocks
        return sum(runs >= 9 for runs in tried)

    assert blocks_tried(max_spread=0.5) == FAST.blocks
    assert blocks_tried(max_spread=0.001) == FAST.blocks * FAST.max_repeats


def test_a_block_is_never_shorter_than_asked():
    lengths = []

    def call(runs):
        lengths.append(runs * 7.0)
        return runs * 7.0

    measure([call], Machine(lambda t: 1.0).stopwatch(0.1), FAST)
    assert min(lengths[-FAST.blocks :]) >= FAST.block_ms


def test_energy_is_that_of_one_call():
    spent = [0.0]

    def call(runs):
        spent[0] += 0.5 * runs
        return runs * 2.0

    def reference(runs):
        spent[0] += 1000.0
        return runs * 0.1

    (found,) = measure([call], reference, FAST, lambda: spent[0])
    assert found.energy_mj == pytest.approx(0.5)
    assert measure([call], reference, FAST)[0].energy_mj is None


def test_a_hopeless_machine_ends_at_the_cap():
    rng = np.random.default_rng(0)
    settings = dataclasses.replace(FAST, max_repeats=2, max_drift=1e-9)
    machine = Machine(lambda t: rng.uniform(1, 9))
    found = timings(machine, settings=settings)
    assert all(t.blocks == settings.blocks for t in found)
    warm_up = 4 * 200
    assert machine.blocks <= warm_up + settings.blocks * settings.max_repeats * 7


def test_groups_on_a_slower_machine_align():
    fast, slow = Timing(1.0, 0.1, 0.9, 1.2, 20, 0.04), Timing(4.0, 0.4, 3.6, 4.8, 20, 0.08)
    first, second = align([fast, slow])
    assert first.reference_ms == pytest.approx(second.reference_ms)
    assert second.median_ms / first.median_ms == pytest.approx(2.0)


def test_overhead_never_makes_a_negative_time():
    assert Timing(0.004, 0.001, 0.003, 0.005, 20, 0.04).less(0.0045).median_ms == 0


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("blocks", 0, "at least 1"),
        ("block_ms", -1.0, "more than 0"),
        ("warmup_ms", float("nan"), "more than 0"),
        ("max_drift", float("inf"), "more than 0"),
    ],
)
def test_impossible_settings_are_refused(name, value, rule):
    with pytest.raises(SettingsError, match=f"{name} must be {rule}; got {value}"):
        TimingSettings(**{name: value})


def test_warm_up_limits_must_agree():
    with pytest.raises(SettingsError, match="max_warmup_ms .100. must be at least warmup_ms .200."):
        TimingSettings(warmup_ms=200, max_warmup_ms=100)


class Coarse:
    """A clock that reads whole steps, at any moment of a step, and counts what it is asked to run."""

    def __init__(self, step_ms, seed):
        self.step_ms, self.now, self.random = step_ms, 0.0, np.random.default_rng(seed)
        self.longest_ms = 0.0

    def stopwatch(self, call_ms):
        def milliseconds(runs):
            self.now += self.random.random() * 3 * self.step_ms
            start, self.now = self.now, self.now + runs * call_ms
            self.longest_ms = max(self.longest_ms, runs * call_ms)
            return (self.now // self.step_ms - start // self.step_ms) * self.step_ms

        return milliseconds


@pytest.mark.parametrize("call_ms", [0.03, 0.3, 3.0])
@pytest.mark.parametrize("told", [True, False])
def test_a_coarse_clock_is_read_over_enough_calls(call_ms, told):
    """A first call that reads 0 ms once made the next reading one of five million calls."""
    settings = TimingSettings(block_ms=50, blocks=4, warmup_ms=30, max_warmup_ms=200)
    for seed in range(20):
        clock = Coarse(1.0, seed)
        step_ms = 1.0 if told else 0.0
        timing, _ = measure([clock.stopwatch(call_ms)] * 2, clock.stopwatch(0.1), settings, step_ms=step_ms)
        assert clock.longest_ms <= 3 * settings.block_ms
        assert timing.median_ms == pytest.approx(call_ms, rel=0.05)
