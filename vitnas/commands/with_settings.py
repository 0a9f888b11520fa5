"""Commands that take settings: their parameters are flags of the command line, and what was given comes in one value."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from pathlib import Path
from typing import Any, Generic, TypeVar, get_type_hints

from vitnas.commands.flags import SettingFlag, default_of
from vitnas.settings import Settings, declared, read_settings

S = TypeVar("S", bound=Settings)
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Given(Generic[S]):
    """What the command line gave of one table of settings.

    Attributes:
        cls: the settings dataclass.
        values: by key, those of tables inside it as dictionaries.
        flags: the flags that were given.
    """

    cls: type[S]
    values: dict[str, Any]
    flags: tuple[str, ...]

    def settings(
        self, config: Path | None, assumed: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
    ) -> S:
        """The settings: what was given wins over what is assumed, that over the file, and that over the defaults."""
        return read_settings(self.cls, config, self.cls.table, {**(assumed or {}), **self.values}, defaults)


@dataclass(frozen=True)
class Flags(Generic[S]):
    """Which flags a table of settings becomes.

    Attributes:
        cls: the settings dataclass; a field of a table inside it has the name of that table before its own.
        names: field -> flag, where the flag is not called as the field is.
        only: the fields that become flags; all, unless some are named.
        without: fields that do not.
    """

    cls: type[S]
    names: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[SettingFlag]:
        for name in self.only or declared(self.cls):
            if name not in self.without:
                yield from self._of(self.cls, (name,))

    def given(self, values: dict[str, Any]) -> Given[S]:
        """Takes the values of these flags out of those of a command."""
        found: dict[str, Any] = {}
        flags = []
        for flag in self:
            value = values.pop(flag.variable)
            if value is not None and value != [] and value != ():
                table = found.setdefault(flag.path[0], {}) if len(flag.path) > 1 else found
                table[flag.path[-1]] = flag.read(value)
                flags.append(flag.name)
        return Given(self.cls, found, tuple(flags))

    def _of(self, cls: type[Settings], path: tuple[str, ...]) -> Iterator[SettingFlag]:
        kind = declared(cls)[path[-1]]
        if dataclasses.is_dataclass(kind.base):
            inner: Any = kind.base
            for name in declared(inner):
                yield from self._of(inner, (*path, name))
            return
        name = self.names.get(".".join(path)) or "--" + "-".join(path).replace("_", "-")
        yield SettingFlag(cls, path, name, kind, default_of(cls.__dataclass_fields__[path[-1]]))  # type: ignore[attr-defined]


def with_settings(**tables: Flags[Any]) -> Callable[[Command], Command]:
    """Names the parameters of a command that stand for settings; the command line gives each a `Given`."""

    def decorate(command: Command) -> Command:
        command.__dict__["tables"] = tables
        return command

    return decorate


def with_flags(command: Callable[..., Any]) -> Callable[..., Any]:
    """A command as typer reads it: with a flag for every setting in place of the parameters that stand for settings."""
    tables: dict[str, Flags[Any]] = getattr(command, "tables", {})
    if not tables:
        return command
    hints = get_type_hints(command, include_extras=True)
    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in tables:
            parameters += [flag.parameter() for flag in tables[name]]
        else:
            parameters.append(parameter.replace(kind=Parameter.KEYWORD_ONLY, annotation=hints[name]))

    @functools.wraps(command)
    def run(**values: Any) -> Any:
        given = {name: flags.given(values) for name, flags in tables.items()}
        return command(**values, **given)

    told: Any = run
    told.__signature__ = inspect.Signature(parameters)
    told.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run
