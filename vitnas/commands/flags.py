"""Flags that follow from settings: every field of a settings dataclass is one, with its help, default and choices."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter
from typing import Annotated, Any

import typer

from vitnas.errors import SettingsError
from vitnas.image_size import ImageSize, parse_image_size
from vitnas.quantities import parse_duration
from vitnas.settings import Kind, Settings

SIZE = "SIDE|HEIGHTxWIDTH"


@dataclass(frozen=True)
class SettingFlag:
    """One setting on the command line.

    Attributes:
        cls: the settings dataclass that declares it.
        path: its key, after that of the table it is in, if any.
        name: such as "--batch-size".
        kind: what it declares.
        default: of the setting; a flag that is not given leaves the setting to the file.
    """

    cls: type[Settings]
    path: tuple[str, ...]
    name: str
    kind: Kind
    default: Any

    @property
    def variable(self) -> str:
        """The name of the parameter, which no other table of a command has."""
        return "_".join((self.cls.table.partition(".")[0], *self.path))

    def parameter(self) -> Parameter:
        """What the flag is to typer."""
        no = f"/--no-{self.name.removeprefix('--')}" if self.kind.base is bool else ""
        panel = f"Settings: {self.cls.table}"
        option = typer.Option(self.name + no, help=self._help, metavar=self._written[1], rich_help_panel=panel)
        kind: Any = self._written[0] | None
        return Parameter(self.variable, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])

    def read(self, given: Any) -> Any:
        """The value that a settings file would have, within the bounds of the setting."""
        value = self._parsed(given)
        self.kind.check(value, self.name)
        return value

    def _parsed(self, given: Any) -> Any:
        kind, shape = self._written
        if shape == SIZE:
            return parse_image_size(given, self.name)
        if shape == "TIME":
            return parse_duration(given, self.name)
        if shape == "TOML":
            return self._toml(given)
        if shape == "KEY=VALUE":
            return dict(self._pair(text) for text in given)
        return (
            [self._item(part.strip()) for text in given for part in text.split(",") if part]
            if kind == list[str]
            else given
        )

    @cached_property
    def _written(self) -> tuple[Any, str | None]:
        """The type that typer reads, and how the value is written where the type does not show it."""
        if self.kind.unit == "seconds":
            return str, "TIME"
        if self.kind.choices:
            return str, "|".join(self.kind.choices)
        if self.kind.base == ImageSize:
            return str, SIZE
        if not self.kind.items:
            return self.kind.base, None
        if self.kind.base is dict or getattr(self.kind.base, "__origin__", None) is dict:
            return list[str], "KEY=VALUE"
        return (str, "TOML") if self.kind.items[0].items else (list[str], "A,B,...")

    @property
    def _help(self) -> str:
        notes = [self.kind.rule, f"default: {self._shown}"]
        told = "; ".join(note for note in notes if note and note != "default: ")
        return f"{self.kind.about.removesuffix('.')} ({told})." if told else self.kind.about

    @property
    def _shown(self) -> str:
        if isinstance(self.default, bool):
            return "on" if self.default else "off"
        if isinstance(self.default, tuple):
            return ",".join(map(str, self.default))
        return "" if self.default in (None, "", {}) or self._written[1] == "TIME" else f"{self.default}"

    def _item(self, text: str) -> Any:
        kind = self.kind.items[0].base
        if kind == ImageSize:
            return parse_image_size(text, self.name)
        try:
            return kind(text) if kind in (int, float) else text
        except ValueError:
            what = "whole numbers" if kind is int else "numbers"
            raise SettingsError(f"{self.name} {text}: expected {what}, separated by commas") from None

    def _pair(self, text: str) -> tuple[str, Any]:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise SettingsError(f"{self.name} {text}: expected KEY=VALUE, such as {self.name} num_random=2")
        try:
            return key, self._toml(value)
        except SettingsError:
            return key, value  # a word, whose quotes the shell took

    def _toml(self, text: str) -> Any:
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            raise SettingsError(
                f"{self.name} {text}: expected a value as a settings file has it: {self.kind.about}"
            ) from None


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The value that a field takes when none is given; None where there is none."""
    make = field.default_factory
    value = field.default if make is dataclasses.MISSING else make()
    return None if value is dataclasses.MISSING else value
