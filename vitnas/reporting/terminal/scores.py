"""Training-free scores of archs, as data and as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vitnas.predictors.proxies.grow import Grown
from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table


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
