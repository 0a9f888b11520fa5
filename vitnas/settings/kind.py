"""What a field declares: its type, its bounds, its meaning; and the one place where values are held against it."""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from msgspec import Meta

from vitnas.errors import SettingsError, suggest


@dataclass(frozen=True)
class Kind:
    """What an annotation says of a value.

    Attributes:
        base: the type without bounds and without None.
        optional: whether None is allowed.
        bounds: of a number, by the names that `msgspec.Meta` gives them.
        about: the meaning, one sentence or two.
        unit: what the number counts when people write it with a unit, such as "seconds".
        odd: whether a whole number must be odd.
        pattern: of a text, as a regular expression.
        example: of such a text.
        items: the kinds of the items of a tuple, the last of all that follow, or of the values of a dictionary.
    """

    base: Any
    optional: bool = False
    bounds: tuple[tuple[str, float], ...] = ()
    about: str = ""
    unit: str = ""
    odd: bool = False
    pattern: str = ""
    example: str = ""
    items: tuple[Kind, ...] = ()

    @classmethod
    def of(cls, hint: Any) -> Kind:
        """The kind that a type hint stands for, such as ``Annotated[int, Meta(ge=1)] | None``."""
        if get_origin(hint) is Annotated:
            inner, *notes = get_args(hint)
            found = cls.of(inner)
            for note in notes:
                if isinstance(note, Meta):
                    found = found._with(note)
            return found
        if get_origin(hint) in (Union, UnionType):
            kinds = [kind for kind in get_args(hint) if kind is not NoneType]
            if len(kinds) == 1:
                return dataclasses.replace(cls.of(kinds[0]), optional=True)
            return cls(functools.reduce(operator.or_, kinds), optional=NoneType in get_args(hint))
        if get_origin(hint) is tuple:
            return cls(hint, items=tuple(cls.of(kind) for kind in get_args(hint) if kind is not ...))
        return cls(hint, items=(cls.of(get_args(hint)[1]),) if get_origin(hint) is dict else ())

    def _with(self, note: Meta) -> Kind:
        bounds = {name: bound for name in _BOUNDS if (bound := getattr(note, name)) is not None}
        return dataclasses.replace(
            self,
            bounds=tuple({**dict(self.bounds), **bounds}.items()),
            about=note.description or self.about,
            unit=(note.extra or {}).get("unit", self.unit),
            odd=(note.extra or {}).get("odd", self.odd),
            pattern=note.pattern or self.pattern,
            example=note.examples[0] if note.examples else self.example,
        )

    @property
    def choices(self) -> tuple[str, ...]:
        """The names that may be chosen from; empty where any value of the type will do."""
        return get_args(self.base) if get_origin(self.base) is Literal else ()

    @property
    def rule(self) -> str:
        """The bounds in words; empty where there are none."""
        limits = dict(self.bounds)
        if limits.keys() == {"ge", "le"}:
            return f"from {limits['ge']:g} to {limits['le']:g}"
        return " and ".join(f"{_BOUNDS[name]} {bound:g}" for name, bound in self.bounds)

    @property
    def wanted(self) -> str:
        """What a value must be, in words: its type and its bounds."""
        if self.choices:
            return f"one of {', '.join(map(str, self.choices))}"
        if self.base is bool:
            return "true or false"
        if self.base is str:
            return f"text such as '{self.example}'" if self.example else "text"
        number = ("an odd " if self.odd else "a ") + ("whole number" if self.base is int else "number")
        return f"{number} {'' if self.rule.startswith('from') else 'of '}{self.rule}" if self.rule else number

    def fits(self, value: Any) -> bool:
        """Whether a plain value is of this kind and within its bounds."""
        if value is None:
            return self.optional
        if self.choices:
            return (type(value), value) in [(type(choice), choice) for choice in self.choices]  # True is no 1
        if self.base in (bool, str):
            return isinstance(value, self.base) and (not self.pattern or re.search(self.pattern, value) is not None)
        return self.base not in (int, float) or (self._is_number(value) and self._within(value))

    def check(self, value: Any, name: str) -> None:
        """Refuses a value that is not of this kind or out of bounds.

        Args:
            value: plain or as a settings dataclass holds it.
            name: where it stands, for the message.
        """
        if value is None and self.optional:
            return
        if self.choices and value not in self.choices:
            raise SettingsError(f"{name} cannot be {value!r}; {suggest(value, self.choices)}")
        if self.base in (int, float):
            self._check_number(value, name)
        elif self.pattern and not self.fits(value):
            raise SettingsError(f"{name} must be {self.wanted}; got {value!r}, change it")
        elif self.items and isinstance(value, Mapping):
            for key, one in value.items():
                self.items[0].check(one, f"{name}.{key}")
        elif self.items and isinstance(value, list | tuple):
            for i, one in enumerate(value):
                self.items[min(i, len(self.items) - 1)].check(one, f"{name}[{i}]")

    def _check_number(self, value: Any, name: str) -> None:
        what = "a whole number" if self.base is int else "a number"
        left_out = ", or left out" if self.optional else ""
        if not self._is_number(value):
            raise SettingsError(f"{name} must be {what}{left_out}; got {value!r}, change it")
        if not self._within(value):
            raise SettingsError(f"{name} must be {self.rule or 'finite'}{left_out}; got {value!r}, change it")

    def _is_number(self, value: Any) -> bool:
        return isinstance(value, Integral if self.base is int else Real) and not isinstance(value, bool)

    def _within(self, value: Any) -> bool:
        number = float(value)
        return (
            math.isfinite(number)
            and (not self.odd or number % 2 == 1)
            and all(_HOLDS[bound](number, limit) for bound, limit in self.bounds)
        )


_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than", "multiple_of": "a multiple of"}
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "ge": operator.ge,
    "gt": operator.gt,
    "le": operator.le,
    "lt": operator.lt,
    "multiple_of": lambda number, divisor: number % divisor == 0,
}


def declared(cls: type) -> Mapping[str, Kind]:
    """The fields of a dataclass and what each declares."""
    return _declared(cls)


@lru_cache(maxsize=256)
def _declared(cls: type) -> dict[str, Kind]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: Kind.of(hints[field.name]) for field in dataclasses.fields(cls)}


def check(cls: type, values: Mapping[str, Any], where: str) -> None:
    """Holds values against what the fields of a dataclass declare.

    Args:
        cls: the settings dataclass.
        values: of its fields, by name; those left out are not looked at.
        where: the file and table, for messages.
    """
    for name, kind in declared(cls).items():
        if name in values:
            kind.check(values[name], f"{where} {name}")
