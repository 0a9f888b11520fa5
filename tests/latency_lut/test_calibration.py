import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.latency_lut.calibration import Calibration, Fidelity


@given(intercept=st.floats(0, 5), slope=st.floats(0.1, 3))
def test_a_line_is_found_again(intercept, slope):
    sums = np.array([0.5, 1.0, 2.0, 4.0])
    fitted = Calibration.fit(sums, intercept + slope * sums)
    assert (fitted.intercept_ms, fitted.slope) == pytest.approx((intercept, slope), rel=1e-6, abs=1e-6)


def test_the_intercept_is_never_negative():
    sums = np.array([1.0, 2.0, 3.0])
    assert Calibration.fit(sums, np.array([0.5, 2.0, 3.5])).intercept_ms == 0


def test_one_network_gives_a_slope():
    assert Calibration.fit(np.array([2.0]), np.array([3.0])) == Calibration(0.0, 1.5)


def test_layers_too_quick_to_be_seen_leave_the_call():
    found = Calibration.fit(np.zeros(3), np.array([0.2, 0.2, 0.2]))
    assert found(np.zeros(1)) == pytest.approx(0.2)
    assert found.slope == 1.0


def test_fidelity_by_hand():
    found = Fidelity.between(np.array([1.04, 2.16, 2.6]), np.array([1.0, 2.0, 4.0]))
    assert found.mape == pytest.approx((0.04 + 0.08 + 0.35) / 3)
    assert (found.within_5, found.within_10) == pytest.approx((1 / 3, 2 / 3))
    assert (found.kendall, found.spearman) == pytest.approx((1.0, 1.0))
    assert "3 held-out networks: MAPE 15.7%" in str(found)


def test_equal_latencies_have_no_rank():
    assert Fidelity.between(np.array([1.0, 1.0]), np.array([1.0, 2.0])).kendall is None


def test_the_share_within_two_standard_deviations():
    found = Fidelity.between(np.array([1.1, 2.5]), np.array([1.0, 2.0]), np.array([0.06, 0.1]), how="left out")
    assert found.covered == 0.5
    assert "2 networks, each left out in turn" in str(found)
