"""Cascade: archs in order of cost, each of which answers the images that it is sure of."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from vitnas.errors import DataError, InvalidArchError, SearchError
from vitnas.files import KEY, read_json, without_seal, write_json
from vitnas.search_spaces.arch import Arch
from vitnas.search_spaces.cascades.parts import CascadePart, parts_of
from vitnas.search_spaces.space import SearchSpace

FORMAT = "vitnas-cascade/1"
NEVER = 2.0
"""A threshold that no score reaches."""


@dataclass(frozen=True)
class Cascade:
    """Data, as an arch is: what runs, when it answers, and what that was found to be worth.

    An image goes to the first arch. Where the rule's score of the answer reaches the arch's threshold, that is the answer;
    otherwise the image goes on to the next arch, and the last one answers what is left.

    Attributes:
        space: of the archs.
        fingerprint: which version of the space.
        archs: from the least to the most costly, two or more.
        rule: by which name the score of an answer is found, 0 for unsure to 1 for sure.
        thresholds: one for each arch but the last.
        weights: of the rule, if it has any, for each arch but the last.
        figures: what the cascade was found to be worth; see `vitnas.nas.cascades`.
        origin: where archs, thresholds and figures come from.
    """

    space: str
    fingerprint: str
    archs: tuple[Arch, ...]
    rule: str
    thresholds: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict, compare=False)
    origin: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if len(self.archs) < 2 or len(set(self.archs)) < len(self.archs):
            raise InvalidArchError(f"a cascade has two or more archs, each once; got {[a.id for a in self.archs]}")
        if len(self.thresholds) != len(self.archs) - 1 or not all(map(math.isfinite, self.thresholds)):
            raise InvalidArchError(
                f"a cascade of {len(self.archs)} archs has {len(self.archs) - 1} thresholds, all of them numbers; got {list(self.thresholds)}"
            )
        if self.weights and len(self.weights) != len(self.thresholds):
            raise InvalidArchError(
                f"rule '{self.rule}' has weights for each of {len(self.thresholds)} thresholds or none; got {len(self.weights)}"
            )

    @classmethod
    def of(
        cls, space: SearchSpace, archs: Sequence[Arch], rule: str, thresholds: Sequence[float], **rest: Any
    ) -> Cascade:
        """A cascade of checked archs of a space."""
        found = cls(
            space.name, space.fingerprint, tuple(map(space.check, archs)), rule, tuple(map(float, thresholds)), **rest
        )
        found.parts(space)
        return found

    def parts(self, space: SearchSpace) -> tuple[CascadePart, ...]:
        """What runs one after the other."""
        self.check(space)
        return parts_of(space, self.archs)

    def check(self, space: SearchSpace) -> None:
        """Refuses any other space."""
        if (self.space, self.fingerprint) != (space.name, space.fingerprint):
            raise InvalidArchError(
                f"the cascade is of space '{self.space}' ({self.fingerprint}), not of '{space.name}' ({space.fingerprint}), "
                "whose choices, image size or classes differ; give the run that it was chosen for"
            )

    @cached_property
    def id(self) -> str:
        """Twelve characters that name this cascade by its archs, its rule and its thresholds."""
        text = json.dumps([[a.to_json() for a in self.archs], self.rule, self.thresholds, self.weights], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "space": self.space,
            "fingerprint": self.fingerprint,
            "archs": [arch.to_json()["genes"] for arch in self.archs],
            "rule": self.rule,
            "thresholds": list(self.thresholds),
            "weights": [list(one) for one in self.weights],
            "figures": dict(self.figures),
            "origin": dict(self.origin),
        }

    @classmethod
    def from_json(cls, data: Any) -> Cascade:
        """Reads what `to_json` wrote, perhaps with the seal of its file."""
        if isinstance(data, Mapping) and KEY in data:
            data = without_seal(dict(data), "the cascade")
        version = data.get("format") if isinstance(data, Mapping) else None
        if version != FORMAT:
            raise InvalidArchError(
                f"format is {version!r}, this version of vitnas reads '{FORMAT}'; choose the cascade anew"
            )
        try:
            told = msgspec.convert(data, _CascadeFile)
        except msgspec.ValidationError as error:
            raise InvalidArchError(f"{error}; write it as `vitnas cascade` does") from None
        archs = tuple(Arch.from_json({"space": told.space, "genes": genes}) for genes in told.archs)
        weights = tuple(map(tuple, told.weights))
        return cls(
            told.space, told.fingerprint, archs, told.rule, tuple(told.thresholds), weights, told.figures, told.origin
        )

    def save(self, path: Path) -> None:
        write_json(path, self.to_json())

    @classmethod
    def load(cls, path: Path, space: SearchSpace | None = None) -> Cascade:
        """Reads what `save` wrote.

        Args:
            path: a cascade.json.
            space: refuses a cascade of any other space, and checks every arch.
        """
        try:
            found = cls.from_json(read_json(path))
            if space is not None:
                found.parts(space)
        except (DataError, OSError) as error:
            raise SearchError(f"cannot read a cascade: {error}") from None
        except InvalidArchError as error:
            raise SearchError(f"cascade '{path}': {error}") from None
        return found

    def __str__(self) -> str:
        return f"{self.space}/{self.id} {len(self.archs)} archs, {self.rule} {', '.join(f'{t:.3g}' for t in self.thresholds)}"


class _CascadeFile(msgspec.Struct, forbid_unknown_fields=True):
    """A cascade.json as it lies on the disk."""

    format: str
    space: str
    fingerprint: str
    archs: list[dict[str, Any]]
    rule: str
    thresholds: list[float]
    weights: list[list[float]]
    figures: dict[str, Any]
    origin: dict[str, Any]
