"""Results and settings as loggers take them: flat, by name, without passwords."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

CREDENTIALS = re.compile(r"://[^/\s]*@")


def numbers_of(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The numbers of tables in tables, as ``table/name``."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from numbers_of(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield prefix + name, float(value)


def parameters_of(settings: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, str | float]]:
    """The values of tables in tables, as ``table.name``; what is left out stays so."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from parameters_of(value, f"{prefix}{name}.")
        elif isinstance(value, int | float):
            yield prefix + name, value
        elif value is not None:
            yield prefix + name, hidden(str(value))


def hidden(text: str) -> str:
    """The same without who logs in, and with what password, where it names an address."""
    return CREDENTIALS.sub("://", text)
