"""Limits of several devices on the command line."""

from __future__ import annotations

import pytest

from vitnas.commands.limits import latency_limits
from vitnas.errors import SettingsError


@pytest.mark.parametrize(
    ("devices", "latencies", "found"),
    [
        (None, ["3ms"], {"cpu": 3.0}),
        (["iphone12"], ["1.5ms"], {"iphone12": 1.5}),
        (["iphone12", "cpu"], ["2ms"], {"iphone12": 2.0, "cpu": 2.0}),
        (["iphone12", "cpu"], ["cpu=3ms", "iphone12=800us"], {"cpu": 3.0, "iphone12": 0.8}),
        (None, ["iphone12=1.5ms"], {"iphone12": 1.5}),
        (None, None, {}),
    ],
)
def test_a_limit_is_of_a_device_or_of_all(devices, latencies, found):
    assert latency_limits(devices, latencies) == found


def test_a_device_without_a_limit_is_refused():
    with pytest.raises(SettingsError, match=r"--device iphone12 has no limit.*--latency iphone12=3ms"):
        latency_limits(["iphone12", "cpu"], ["cpu=3ms"])


def test_a_latency_needs_a_unit():
    with pytest.raises(SettingsError, match="--latency 3: expected a positive number with a unit"):
        latency_limits(None, ["3"])
