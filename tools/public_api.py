"""Writes tests/public_api.txt from the code: every public name with its signature, and the members of public classes.

Usage: python tools/public_api.py
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_overloads

import vitnas

FILE = Path(__file__).parents[1] / "tests" / "public_api.txt"


def public_api() -> str:
    """One line a function, a constructor or a member, in the order of the alphabet."""
    return "".join(f"{line}\n" for name in sorted(vitnas.__all__, key=str.lower) for line in _lines(name))


def _lines(name: str) -> Iterator[str]:
    found = getattr(vitnas, name)
    if inspect.isclass(found):
        yield f"class {name}{_signature(found)}"
        for member, value in sorted(_members(found).items()):
            yield f"    {name}.{member}{_signature(value)}"
    elif callable(found):
        yield from (f"{name}{_signature(each)}" for each in get_overloads(found) or [found])
    else:
        yield name


def _members(cls: type) -> dict[str, Any]:
    """The public methods and properties that vitnas itself defines."""
    ours = [base for base in reversed(cls.__mro__) if base.__module__.startswith("vitnas")]
    found = {name: value for base in ours for name, value in vars(base).items() if not name.startswith("_")}
    methods = {name: value for name, value in found.items() if callable(getattr(cls, name))}
    properties = {name: value for name, value in found.items() if hasattr(value, "__get__") and name not in methods}
    return methods | properties


def _signature(found: Any) -> str:
    if isinstance(found, classmethod | staticmethod):
        found = found.__func__
    if not callable(found):
        getter = getattr(found, "fget", None) or getattr(found, "func", None)
        return f": {inspect.signature(getter).return_annotation}" if getter is not None else ""
    try:
        signature = inspect.signature(found)
    except ValueError:  # a built-in constructor, such as that of errors
        return ""
    parameters = [each.replace(annotation=_written(each.annotation)) for each in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=_written(signature.return_annotation)))


def _written(annotation: Any) -> Any:
    """An annotation that a signature shows as it stands in the code."""
    return _Text(annotation.strip('"')) if isinstance(annotation, str) else annotation


class _Text(str):
    __slots__ = ()
    __repr__ = str.__str__


if __name__ == "__main__":
    FILE.write_text(public_api(), encoding="utf-8")
