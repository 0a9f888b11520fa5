"""Training-free scores of archs, as data and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.predictors.proxies.grow import Grown
from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table
from vitnas.search_spaces import Arch


def describe_scores(
    archs: Sequence[Arch], scores: Mapping[str, NDArray[np.float64]], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Every arch and its scores, the best by the first name first; equal ones stay in order."""
    order = np.argsort(-scores[names[0]], kind="stable")
    return [
        {
            "arch": archs[i].to_json(),
            "id": archs[i].id,
            "scores": {name: float(values[i]) for name, values in scores.items()},
        }
        for i in order
    ]


def print_scores(found: list[dict[str, Any]]) -> None:
    """A line an arch, a column a proxy."""
    names = list(found[0]["scores"])
    print_table(["arch"], names, [(one["id"], *(format_count(one["scores"][n]) for n in names)) for one in found])


def describe_family(family: Sequence[Grown]) -> list[dict[str, Any]]:
    """Every member with its cost and what it scored among the ways to grow that were left out; of the seed, nothing."""
    return [{"arch": one.arch.to_json(), "id": one.arch.id, "cost": one.cost, "scores": one.scores} for one in family]


def print_family(found: list[dict[str, Any]]) -> None:
    """A line a member, the seed first; the last one as it is."""
    names = list(found[-1]["scores"])
    cells = [[format_count(one["scores"][n]) if one["scores"] else "-" for n in names] for one in found]
    rows = [(one["id"], format_count(one["cost"]), *scores) for one, scores in zip(found, cells, strict=True)]
    print_table(["arch"], ["cost", *names], rows)
    print(found[-1]["arch"])
