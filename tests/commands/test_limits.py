"""Limits of several devices on the command line."""

from __future__ import annotations

import pytest

from vitnas.commands.limits import latency_limits, search_limits
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


def test_limits_of_a_search_are_read_by_their_units_and_named_by_their_device() -> None:
    found = search_limits(
        {"latency": ["2ms", "iphone12=1.5ms"], "energy": ["cpu=5mJ"]},
        {"params": "6M", "macs": "1.3G", "memory": None, "size": "24MB"},
    )
    assert found == {
        "latency_ms": 2.0, "latency_ms@iphone12": 1.5, "energy_mj@cpu": 5.0, "num_params": 6e6, "macs": 1.3e9,
        "weight_bytes": 24e6,
    }  # fmt: skip


def test_a_limit_that_is_no_number_names_its_flag() -> None:
    with pytest.raises(SettingsError, match="--params many"):
        search_limits({}, {"params": "many"})
