"""CascadePoint: a cascade with its figures, beside the archs of a front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vitnas.errors import InvalidArchError, SearchError
from vitnas.nas.pareto.point import Provenance
from vitnas.search_spaces import Cascade


@dataclass(frozen=True)
class CascadePoint:
    """One cascade of a front.

    Attributes:
        cascade: what runs.
        objectives: its figures, one for each objective of the front; a latency is the expected one.
        provenance: how each figure was found.
        errors: standard deviations of figures, where they are known.
    """

    cascade: Cascade
    objectives: Mapping[str, float]
    provenance: Mapping[str, Provenance]
    errors: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "cascade": self.cascade.to_json(),
            "objectives": dict(self.objectives),
            "provenance": dict(self.provenance),
            "errors": dict(self.errors),
        }

    @classmethod
    def read(
        cls,
        cascade: Any,
        objectives: Mapping[str, float],
        provenance: Mapping[str, Provenance],
        errors: Mapping[str, float],
        of: tuple[str, str],
        names: Sequence[str],
    ) -> CascadePoint:
        """What `to_json` wrote, held against the space and the objectives of its front."""
        try:
            found = Cascade.from_json(cascade)
        except InvalidArchError as error:
            raise SearchError(f"a cascade: {error}") from None
        if (found.space, found.fingerprint) != of:
            raise SearchError(f"cascade {found.id} is of space '{found.space}', the front of '{of[0]}'")
        if not objectives.keys() == provenance.keys() == set(names):
            raise SearchError(
                f"cascade {found.id} has figures for {sorted(objectives)}, the front compares {sorted(names)}"
            )
        return cls(found, objectives, provenance, errors)
