"""Counts of archs, layer by layer, as data and as tables."""

from __future__ import annotations

from typing import Any

from vitnas.quantities import format_count
from vitnas.reporting.terminal.tables import print_table
from vitnas.search_spaces import FLOAT, LayerSpec

_NUMBERS = ("parameters", "MACs", "weights", "activations", "bit operations")


def print_counts(counted: list[dict[str, Any]]) -> None:
    """One arch layer by layer, several archs a line each."""
    if len(counted) > 1:
        print_table(["arch"], _NUMBERS, [(one["id"], *_cells(one)) for one in counted])
        return
    one = counted[0]
    rows = [(layer["site"], _describe(layer), *_cells(layer)) for layer in one["layers"]]
    print_table(["site", "layer"], _NUMBERS, rows, total=("total", one["id"], *_cells(one)))
    print(f"{one['num_params']:,} parameters, {one['macs']:,} MACs")


def _describe(layer: dict[str, Any]) -> str:
    spec = LayerSpec.from_json(layer)
    precision = [] if spec.precision == FLOAT.name else [f"in {spec.precision}"]
    shapes = dict.fromkeys("x".join(map(str, shape)) for shape in (spec.in_shape, spec.out_shape))
    return " ".join([spec.kind, " to ".join(shapes), *(f"{name}={value}" for name, value in spec.attrs), *precision])


def _cells(counts: dict[str, Any]) -> list[str]:
    names = ("num_params", "macs", "weight_bytes", "activation_bytes", "bitops")
    units = ("", "", "B", "B", "")
    return [format_count(counts[name]) + unit for name, unit in zip(names, units, strict=True)]
