"""Expressions against Python's own arithmetic, and what they refuse."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitnas.errors import SpaceError
from vitnas.search_spaces.files.expression import Expression

VALUES = {"width": 48, "ratio": 1.5, "mixer": "pool", "i": 2, "wide": True}


@pytest.mark.parametrize(
    "text",
    [
        "width",
        "int(width * ratio)",
        "-width + 2 * (i - 1) // 3 % 5",
        "max(2, width // 16, min(i, 4))",
        "round(width / 7)",
        "mixer == 'pool'",
        "1 < i <= 2 and not width != 48 or mixer == 'attention'",
        "wide",
    ],
)
def test_it_is_pythons_arithmetic(text: str) -> None:
    expected = eval(text, {}, VALUES)
    assert Expression(text, "here")(VALUES) == expected
    assert type(Expression(text, "here")(VALUES)) is type(expected)


@given(st.integers(-99, 99), st.integers(1, 99), st.sampled_from(["+", "-", "*", "/", "//", "%", "<", ">=", "=="]))
def test_any_operator(a: int, b: int, op: str) -> None:
    assert Expression(f"a {op} b", "here")({"a": a, "b": b}) == eval(f"{a} {op} {b}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('true')", "not allowed"),
        ("width.real", "'width.real' in the expression 'width.real' is not allowed"),
        ("abs(width)", "calls 'abs'; have"),
        ("roud(width)", "Did you mean 'round'"),
        ("[1 for _ in mixer]", "not allowed"),
        ("(lambda: 1)()", "not allowed"),
        ("width ** 999", "not allowed"),
        ("width[0]", "not allowed"),
        ("max(1, key=width)", "not allowed"),
        ("max(*mixer)", "not allowed"),
        ("width +", "cannot read the expression 'width \\+'"),
        ("", "cannot read"),
        ("f'{width}'", "not allowed"),
        ("(" * 400 + ")" * 400, "characters; write at most 500"),
    ],
)
def test_what_is_no_arithmetic_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=f"^space.toml, here: .*{message}"):
        Expression(text, "space.toml, here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width // (i - 2)", "fails for i = 2, width = 48: .*zero"),
        ("mixer * 1000", "fails for mixer = 'pool': 'pool' is no number"),
        ("min(width)", "fails for width = 48"),
    ],
)
def test_what_fails_says_for_which_values(text: str, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        Expression(text, "here")(VALUES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width * ratio", "must be a whole number of at least 1, and is 72.0 for ratio = 1.5, width = 48; use // or"),
        ("width - 48", "and is 0 for"),
        ("wide", "and is True"),
    ],
)
def test_sizes_are_whole(text: str, message: str) -> None:
    assert Expression("width // 5", "here").whole(VALUES) == 9
    with pytest.raises(SpaceError, match=message):
        Expression(text, "here").whole(VALUES)


def test_unknown_names_are_refused() -> None:
    Expression("width + i", "here").check_names(VALUES)
    with pytest.raises(SpaceError, match=r"'widht \+ i' reads 'widht'.*Did you mean 'width'"):
        Expression("widht + i", "here").check_names(VALUES)
