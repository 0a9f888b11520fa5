"""Point: an evaluated arch with its figures, their errors and where each came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vitnas.search_spaces import Arch

Provenance = Literal["measured", "predicted", "table", "estimated", "counted", "training-free"]


@dataclass(frozen=True)
class Point:
    """One arch of a front.

    Attributes:
        arch: the architecture.
        objectives: its figures, one for each objective of the front.
        provenance: how each figure was found: measured, predicted by a model, added up from a table of measurements or
            of estimates, counted, or told from the network without training.
        errors: standard deviations of figures, where they are known.
        answers: on which images it was right, as `Answers` writes them; empty where that is not known.
        caveat: in what its figures are less sure than those of other points; empty for most.
    """

    arch: Arch
    objectives: Mapping[str, float]
    provenance: Mapping[str, Provenance]
    errors: Mapping[str, float] = field(default_factory=dict)
    answers: str = ""
    caveat: str = ""
