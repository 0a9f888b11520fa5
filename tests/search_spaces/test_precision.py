"""Precisions: what their names say."""

from __future__ import annotations

import pytest

from vitnas.errors import SpaceError
from vitnas.search_spaces.precision import FLOAT, Precision


def test_a_name_says_the_bits() -> None:
    assert Precision.of("w7a8") == Precision("w7a8", 7, 8)
    assert Precision.of("w4") == Precision("w4", 4, 32)
    assert Precision.of("p6") == Precision("p6", 6, 32, palette=True)
    assert Precision.of("float") is FLOAT
    assert [name for name in ("float", "w8a8", "w4", "p4") if Precision.of(name).integer] == ["w8a8"]


def test_precisions_are_ordered_by_what_they_cost() -> None:
    names = ["float", "w8", "p4", "w4", "w8a8", "w4a8"]
    assert sorted(names, key=lambda name: Precision.of(name).cost) == ["w4a8", "w8a8", "w4", "p4", "w8", "float"]


@pytest.mark.parametrize("name", ["int8", "w9a8", "w1", "p4a8", "w8a16", "W8A8", ""])
def test_other_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(SpaceError, match=r"is no precision; it is 'float', 'w8a8'"):
        Precision.of(name)
