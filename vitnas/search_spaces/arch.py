"""An architecture: one point of a space, as plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vitnas.errors import InvalidArchError
from vitnas.files import KEY, without_seal
from vitnas.search_spaces.gene import Choice

GeneValue = Choice | tuple[Choice | None, ...]


@dataclass(frozen=True)
class Arch:
    """Values of the genes that are switched on; made and checked by `SearchSpace.arch`."""

    space: str
    genes: tuple[tuple[str, GeneValue], ...]

    def __getitem__(self, name: str) -> GeneValue:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    @cached_property
    def _by_name(self) -> dict[str, GeneValue]:
        return dict(self.genes)

    @cached_property
    def id(self) -> str:
        """Twelve characters that name this architecture by its content."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in self.genes}
        return {"space": self.space, "genes": values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Arch:
        """Reads what `to_json` wrote, perhaps with the seal of its file; `SearchSpace.check` says whether it is valid."""
        if isinstance(data, Mapping) and KEY in data:
            data = without_seal(dict(data), "the arch")
        if not isinstance(data, Mapping) or set(data) != {"space", "genes"} or not isinstance(data["genes"], Mapping):
            keys = sorted(data) if isinstance(data, Mapping) else type(data).__name__
            raise InvalidArchError(f'an arch is written {{"space": NAME, "genes": {{GENE: VALUE, ...}}}}; got {keys}')
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in data["genes"].items()}
        return cls(str(data["space"]), tuple(values.items()))

    def __str__(self) -> str:
        parts = (f"{n}={'-'.join(map(str, v)) if isinstance(v, tuple) else v}" for n, v in self.genes)
        return f"{self.space}/{self.id} " + " ".join(parts)
