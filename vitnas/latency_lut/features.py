"""What tells layers of one kind apart, as numbers: logarithms of sizes, counts and attributes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitnas.search_spaces import FLOAT, LayerSpec
from vitnas.search_spaces.spreading import farthest_first, unit_ranges

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class LayerWork:
    """What layers do on any device, one number a layer.

    Attributes:
        num_params, macs, weight_bytes, activation_bytes, bitops: as `vitnas.supernets.counting.counts.Counts`.
        traffic: numbers that come in and go out.
    """

    num_params: Floats
    macs: Floats
    weight_bytes: Floats
    activation_bytes: Floats
    bitops: Floats
    traffic: Floats

    @classmethod
    def of(cls, specs: Sequence[LayerSpec], counts: Mapping[str, Sequence[int]]) -> LayerWork:
        columns = {name: np.array(values, dtype=float) for name, values in counts.items()}
        traffic = [np.prod(s.in_shape, dtype=float) + np.prod(s.out_shape, dtype=float) for s in specs]
        return cls(**columns, traffic=np.array(traffic))

    def at(self, rows: NDArray[np.intp]) -> Floats:
        """``(rows, 4)`` what time is made of: arithmetic, data that pass, weights and intermediate results."""
        columns = (self.macs, self.traffic, self.weight_bytes, self.activation_bytes)
        return np.stack([column[rows] for column in columns], axis=1)


def kind_of(spec: LayerSpec) -> str:
    """What layers have in common whose times are told from one another."""
    return spec.kind if spec.precision == FLOAT.name else f"{spec.kind} in {spec.precision}"


def by_kind(specs: Sequence[LayerSpec]) -> dict[str, NDArray[np.intp]]:
    """The positions of every kind of layer, see `kind_of`."""
    found: dict[str, list[int]] = {}
    for i, spec in enumerate(specs):
        found.setdefault(kind_of(spec), []).append(i)
    return {kind: np.array(rows) for kind, rows in found.items()}


def points_of(specs: Sequence[LayerSpec], work: Floats) -> Floats:
    """``(layers, features)`` of layers of one kind; features in which all agree are left out.

    Args:
        specs: layers of one kind.
        work: what `LayerWork.at` gives for them.
    """
    columns = [np.log1p(work), np.log([[*_sizes(spec)] for spec in specs])]
    for name, first in specs[0].attrs:
        values = [spec[name] for spec in specs]
        if isinstance(first, str | bool):
            columns.append(np.array([[v == known for known in sorted(set(values))[1:]] for v in values], dtype=float))
        else:
            columns.append(np.arcsinh(np.array(values, dtype=float))[:, None])
    points = np.concatenate([c for c in columns if c.size], axis=1)
    points = points[:, np.ptp(points, axis=0) > 1e-9]
    _, first_of = np.unique(np.round(points - points.mean(axis=0), 9), axis=1, return_index=True)
    kept: Floats = points[:, np.sort(first_of)] if points.size else np.zeros((len(specs), 1))
    return kept


def _sizes(spec: LayerSpec) -> tuple[float, ...]:
    """The longest and the other sides of what comes in and goes out, whichever way they are laid out."""
    return tuple(
        side for shape in (spec.in_shape, spec.out_shape) for side in (shape[0], np.prod(shape[1:], dtype=float))
    )


def spread(points: Floats, n: int, taken: Sequence[int] = ()) -> list[int]:
    """Positions of n points far from each other and from those taken: the ends first, then what fills the gaps.

    Args:
        points: ``(all, features)``.
        n: how many; all when there are fewer.
        taken: positions that are there already.
    """
    scaled = unit_ranges(points)
    picked = list(taken)
    free = len(points) - len(picked)
    if not picked and free:
        picked.append(int(scaled.sum(axis=1).argmin()))
        if len(points) > 1 and n > 1:
            picked.append(int(scaled.sum(axis=1).argmax()))
        picked = list(dict.fromkeys(picked))
    found = [i for i in picked if i not in set(taken)]
    return [*found, *farthest_first(scaled, picked, min(n, free) - len(found))][:n]
