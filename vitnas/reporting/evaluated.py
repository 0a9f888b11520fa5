"""All that a search evaluated: archs, their genes and figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitnas.errors import DataError, InvalidArchError, SearchError, suggest
from vitnas.files import read_parquet
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.quantity import std_of
from vitnas.search_spaces import Arch

Floats = NDArray[np.float64]

OTHERS = ("arch_id", "arch", "seconds", "error", "stopped", "on_front")
"""Columns of an evaluations.parquet that are no figures."""


@dataclass(frozen=True)
class Evaluated:
    """Every arch that a search evaluated, in the order of asking.

    Attributes:
        ids: of the archs.
        archs: as JSON.
        figures: quantity -> one value an arch, NaN where the evaluation failed.
        failed: how many evaluations failed.
    """

    ids: Sequence[str]
    archs: Sequence[Mapping[str, Any]]
    figures: Mapping[str, Floats]
    failed: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def columns(self, names: Sequence[str], where: str) -> Floats:
        """``(n, names)``; an error names the figures that there are."""
        missing = [name for name in names if name not in self.figures]
        if missing:
            raise SearchError(f"{where} has no figure '{missing[0]}'; {suggest(missing[0], self.figures)}")
        return np.column_stack([self.figures[name] for name in names]) if len(self) else np.empty((0, len(names)))

    @property
    def quantities(self) -> list[str]:
        """The figures without their standard deviations."""
        spreads = {std_of(name) for name in self.figures}
        return [name for name in self.figures if name not in spreads]


def read_evaluated(path: Path) -> Evaluated:
    """An evaluations.parquet as a search wrote it."""
    import pyarrow

    try:
        table = read_parquet(path)
        columns = {name: table[name].to_pylist() for name in ("arch_id", "arch", "error")}
        archs = [json.loads(text) for text in columns["arch"]]
        for arch in archs:
            Arch.from_json(arch)
        figures = {name: np.asarray(table[name], dtype=np.float64) for name in table.column_names if name not in OTHERS}
        if infinite := [name for name, values in figures.items() if np.isinf(values).any()]:
            raise ValueError(f"{infinite[0]} is infinite")
    except DataError as error:
        raise SearchError(str(error)) from None
    except (OSError, pyarrow.ArrowException, KeyError, TypeError, ValueError, InvalidArchError) as error:
        raise SearchError(f"cannot read the evaluations '{path}': {error}; check the path or search again") from None
    return Evaluated(columns["arch_id"], archs, figures, sum(e is not None for e in columns["error"]))


def evaluated_on(front: ParetoFront) -> Evaluated:
    """The points of a front alone, where nothing else is known."""
    points = front.points
    figures = {o.name: np.array([p.objectives[o.name] for p in points]) for o in front.objectives}
    spreads = {
        std_of(o.name): np.array([p.errors.get(o.name, np.nan) for p in points])
        for o in front.objectives
        if any(o.name in p.errors for p in points)
    }
    return Evaluated([p.arch.id for p in points], [p.arch.to_json() for p in points], figures | spreads)


def flat_genes(arch: Mapping[str, Any]) -> dict[str, Any]:
    """The genes of an arch, one name a choice: ``heads[3]`` is that of the fourth block."""
    found: dict[str, Any] = {}
    for name, value in arch["genes"].items():
        if isinstance(value, list | tuple):
            found |= {f"{name}[{i}]": one for i, one in enumerate(value)}
        else:
            found[name] = value
    return found


def gene_names(archs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The flat names of all genes of some archs: in the order of the space, blocks from first to last."""
    lengths: dict[str, int | None] = {}
    for arch in archs:
        for name, value in arch["genes"].items():
            if isinstance(value, list | tuple):
                lengths[name] = max(lengths.get(name) or 0, len(value))
            else:
                lengths.setdefault(name, None)
    return [
        flat for name, n in lengths.items() for flat in ([name] if n is None else [f"{name}[{i}]" for i in range(n)])
    ]
