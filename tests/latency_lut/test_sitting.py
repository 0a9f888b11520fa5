import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.latency_lut.pretended import MovingDevice, PretendedDevice, network_ms
from tests.latency_lut.test_table import make_table
from vitnas.latency_lut.estimate.device import EstimatedDevice
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.refit import time_again
from vitnas.latency_lut.rows import ReferenceNetwork
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.sitting import BETWEEN, BETWEEN_RAW, BETWEEN_SMALL, SPECIFIC, Reading, Sitting, disagree
from vitnas.search_spaces import load_space

SPACE = load_space("autoformer-mini")


@given(pace=st.floats(0.2, 5), quiet_ms=st.floats(0.1, 100))
def test_a_figure_is_the_same_at_one_speed_whatever_the_machine_does_now(pace, quiet_ms):
    sitting = Sitting(2.0, SPACE.lower(SPACE.smallest()))
    now = Timing(pace * quiet_ms, 0.0, pace * quiet_ms, pace * quiet_ms, 20, pace * 2.0)
    reading = Reading.of(now, sitting)
    assert reading.raw_ms == pace * quiet_ms
    assert reading.pace == pytest.approx(pace)
    assert (reading.ms, sitting.at_its_speed(now).median_ms) == pytest.approx((quiet_ms, quiet_ms))
    assert reading.std_ms == pytest.approx(BETWEEN * quiet_ms)
    assert reading.busy == (reading.pace > 1.1)


def test_where_nothing_tells_the_speed_the_figure_stays_raw_and_says_so():
    now = Timing(3.0, 0.1, 2.9, 3.1, 20, 0.0)
    for sitting in (None, Sitting(2.0)):
        reading = Reading.of(now, sitting)
        assert (reading.pace, reading.busy, reading.ms, reading.between) == (None, None, 3.0, BETWEEN_RAW)
    assert Sitting(2.0).at_its_speed(now) == now


def test_a_table_knows_its_sitting_by_the_network_beside_or_by_the_small_one():
    table = make_table()
    assert Sitting.of_table(SPACE, table) == Sitting(0.04, None, {"runtime": "pretended", "threads": 1})
    beside = dataclasses.replace(table.header, beside=ReferenceNetwork.of(SPACE.largest(), 7.0))
    with_beside = dataclasses.replace(table, header=beside)
    found = Sitting.of_table(SPACE, with_beside)
    assert (found.took_ms, found.reference, found.between) == (7.0, SPACE.lower(SPACE.largest()), BETWEEN)
    smaller = SPACE.restrict(depth=(3,))  # whose archs are written otherwise
    assert Sitting.of_table(smaller, with_beside).reference is None
    small = Sitting.of_table(smaller, with_beside)
    assert small.between == BETWEEN_SMALL
    for sitting in (found, small):  # what networks share, and what each has of its own
        assert math.hypot(sitting.shared, SPECIFIC) == pytest.approx(sitting.between)


def test_estimates_and_tables_of_others_have_none():
    table = make_table()
    imported = dataclasses.replace(table, header=dataclasses.replace(table.header, reference_ms=0.0))
    assert Sitting.of_table(SPACE, imported) is None
    assert Sitting.of_table(SPACE, EstimatedDevice("iphone12").table(SPACE)) is None


def test_the_networks_of_a_table_are_found_again_on_a_slower_machine(tmp_path):
    few = ProfileSettings(fit_networks=8, test_networks=8)
    table = profile(SPACE, PretendedDevice(), tmp_path / "t.parquet", few, progress=False)
    middle = SPACE.lower(SPACE.sample(1)[0]) if table.header.beside is None else None
    assert middle is None, "a profile keeps what its networks were timed beside"
    sitting = Sitting.of_table(SPACE, table)
    then_ms = network_ms(sitting.reference)
    table = dataclasses.replace(
        table,
        header=dataclasses.replace(table.header, beside=dataclasses.replace(table.header.beside, took_ms=then_ms)),
    )
    sitting = Sitting.of_table(SPACE, table)
    networks = [SPACE.lower(arch) for arch in (SPACE.smallest(), SPACE.largest())]
    for blueprint, timing in zip(networks, time_again(SPACE, table, MovingDevice(1.7), networks), strict=True):
        assert timing.median_ms == pytest.approx(1.7 * network_ms(blueprint))
        assert sitting.at_its_speed(timing).median_ms == pytest.approx(network_ms(blueprint))


@pytest.mark.parametrize(("other", "differ"), [(1.05, False), (1.35, True), (0.65, True)])
def test_two_figures_disagree_when_their_errors_do_not_explain_it(other, differ):
    assert disagree(1.0, 0.1, other, 0.1) is differ
