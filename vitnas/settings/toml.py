"""Reading settings: tables of TOML files and flags become dataclasses, with strict keys and types."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import msgspec

from vitnas.errors import SettingsError, suggest
from vitnas.settings.declared import Settings
from vitnas.settings.kind import check

S = TypeVar("S")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"settings file '{path}' does not exist; check the path") from None
    except OSError as error:
        raise SettingsError(f"settings file '{path}' cannot be read: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"settings file '{path}' is not valid TOML: {error}") from None


def make_settings(cls: type[S], values: Mapping[str, Any], where: str) -> S:
    """An instance of a settings dataclass from plain values.

    Args:
        cls: a dataclass; what its `__post_init__` refuses is reported as it says.
        values: key -> value; keys left out take their defaults.
        where: the file and table, for messages.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: expected a table of settings, got {values!r}")
    if issubclass(cls, Settings):
        values = _in_present_keys(cls, values)
    _check(cls, values, where)
    try:
        return msgspec.convert(dict(values), cls)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {error}") from None
    except SettingsError as error:  # of a rule between fields, which names the table and cannot name the file
        table = f"[{getattr(cls, 'table', '')}]"
        raise SettingsError(f"{where.removesuffix(table)}{error}" if where.endswith(table) else str(error)) from None


def _in_present_keys(cls: type[Settings], values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What an earlier version wrote; a key of this one beside it counts."""
    for key, value, meaning in cls.replaced:
        if key in values and (type(values[key]), values[key]) == (type(value), value):
            values = {**meaning, **{name: kept for name, kept in values.items() if name != key}}
    return values


def _check(cls: type, values: Mapping[str, Any], where: str) -> None:
    """Refuses unknown keys and values out of bounds, in a dataclass and in those inside it."""
    known = [field.name for field in dataclasses.fields(cls)]
    for key in values:
        if key not in known:
            raise SettingsError(f"{where}: unknown key '{key}'; {suggest(key, known)}")
    if issubclass(cls, Settings):
        check(cls, values, where)
    for name, kind in get_type_hints(cls).items():
        if dataclasses.is_dataclass(kind) and isinstance(values.get(name), Mapping):
            assert isinstance(kind, type)
            inner = f"{where[:-1]}.{name}]" if where.endswith("]") else f"{where}, table '{name}'"
            _check(kind, values[name], inner)


TABLES = ("data", "train", "profile", "predictor", "search", "export", "auto", "family", "prune", "cascade", "exits")
"""The tables a settings file may have: the images, and one a command."""


def read_settings(
    cls: type[S], path: Path | None, table: str, flags: Mapping[str, Any], defaults: Mapping[str, Any] | None = None
) -> S:
    """One table of a settings file, with the flags given on the command line on top.

    Args:
        cls: the settings dataclass of this table.
        path: a TOML file, or None for the defaults.
        table: the name of the table in it, one of `TABLES`.
        flags: values from the command line; None means not given.
        defaults: in place of those of the class.
    """
    tables = read_toml(path) if path is not None else {}
    for name in tables:
        if name not in TABLES:
            raise SettingsError(f"{path}: unknown table [{name}]; {suggest(name, TABLES)}")
    values = tables.get(table, {})
    given = {key: value for key, value in flags.items() if value is not None}
    where = f"{path}, [{table}]" if path is not None else f"[{table}]"
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path}: '{table}' must be a table, [{table}], got {values!r}")
    for key, inner in values.items():
        if isinstance(inner, Mapping) and dataclasses.is_dataclass(get_type_hints(cls).get(key)) and key in given:
            given[key] = {**inner, **given[key]}
    return make_settings(cls, {**(defaults or {}), **values, **given}, where)
