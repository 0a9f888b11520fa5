"""A lazy table from a name to the thing it names: listing names imports nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from vitnas import extras
from vitnas.errors import UnknownNameError, suggest

T = TypeVar("T")


class Registry(Generic[T]):
    """Names of one kind of thing and where each lives, as ``"module:attribute"``.

    Other packages add entries through an entry point of group ``vitnas.<room>``, for example
    ``[project.entry-points."vitnas.layers"]`` with ``mymixer = "mypackage.mixers:MyMixer"``.
    """

    def __init__(self, noun: str, group: str, table: Mapping[str, str]) -> None:
        self.noun = noun
        self.group = group
        self._table = dict(table)
        self._plugins: dict[str, str] | None = None

    def names(self) -> list[str]:
        return sorted({**self._installed(), **self._table})

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._table or name in self._installed()

    def load(self, name: str) -> T:
        """Imports and returns what `name` stands for."""
        target = self._table.get(name) or self._installed().get(name)
        if target is None:
            raise UnknownNameError(f"no {self.noun} named '{name}'; {suggest(name, self.names())}")
        module, _, attribute = target.partition(":")
        found: Any = extras.load(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found  # type: ignore[no-any-return]

    def _installed(self) -> dict[str, str]:
        if self._plugins is None:
            self._plugins = {entry.name: entry.value for entry in entry_points(group=self.group)}
        return self._plugins
