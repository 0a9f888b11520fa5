from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.nas.quantity import OF_A_DEVICE, Quantity, maximised, std_of

names = st.sampled_from(["accuracy", "loss", "score", "latency_ms", "energy_mj", "num_params", "weight_bytes"])
devices = st.text("abc12-@ ", min_size=1, max_size=6)


@given(st.text(max_size=20) | st.text("a_std@", max_size=12))
@pytest.mark.heavy
def test_every_name_is_printed_as_it_was_read(text):
    assert str(Quantity.parse(text)) == text


@given(names, st.none() | devices, st.booleans())
def test_what_is_printed_is_read_as_the_same(name, device, is_std):
    quantity = Quantity(name, device, is_std)
    assert Quantity.parse(str(quantity)) == quantity


def test_names_as_they_stand_in_files():
    assert str(Quantity("latency_ms", "iphone12").std) == std_of("latency_ms@iphone12") == "latency_ms_std@iphone12"
    assert str(Quantity.parse("latency_ms_std@iphone12").without_device) == "latency_ms_std"
    assert str(Quantity("latency_ms").on("cpu", ["cpu"])) == "latency_ms"
    assert str(Quantity("latency_ms").on("cpu", ["cpu", "iphone12"])) == "latency_ms@cpu"


@pytest.mark.parametrize(
    ("text", "unit", "direction", "is_latency"),
    [
        ("latency_ms", "ms", "minimise", True),
        ("latency_ms@cpu", "ms", "minimise", True),
        ("latency_ms_std@cpu", "ms", "minimise", False),
        ("energy_mj@cpu", "mJ", "minimise", False),
        ("weight_bytes", "bytes", "minimise", False),
        ("num_params", "", "minimise", False),
        ("accuracy", "", "maximise", False),
        ("score", "", "maximise", False),
        ("loss", "", "minimise", False),
    ],
)
def test_units_and_directions(text, unit, direction, is_latency):
    found = Quantity.parse(text)
    assert (found.unit, found.direction, found.is_latency) == (unit, direction, is_latency)


def test_a_quantity_concerns_its_device_and_what_is_the_same_everywhere_concerns_all():
    assert Quantity.parse("latency_ms@cpu").concerns("cpu")
    assert not Quantity.parse("latency_ms@cpu").concerns("iphone12")
    assert not Quantity.parse("latency_ms@cpu-2").concerns("cpu")
    assert all(Quantity(name).concerns("cpu") for name in (*maximised(), *OF_A_DEVICE))
