"""A table of one GPU carried over to another by a handful of networks, on 5,000 measured Once-for-All networks.

HELP's measurements, 12 settings (four GPUs by three batch sizes), give for each an old device's table: an additive
one, fitted to 3,000 networks. For every pair of settings, 10 and 20 networks measured on the new one correct it as
`vitnas profile --from` does; the other 2,000 networks tell the error. ReferenceNetwork it: the old table times one factor, the
old table through a line, and ridge regression from scratch on the same samples. Keys: mape and spearman by way
and number of samples, over all pairs and (near) over pairs of the same batch size; old_mape is the error of the
tables on their own device.

Needs ofa_mbv3_latency_help.csv.gz in ../shared/data/nas.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
from frame import run, show
from scipy.stats import spearmanr

from vitnas.latency_lut.calibration import Calibration
from vitnas.latency_lut.features import Floats, LayerWork, by_kind, spread
from vitnas.latency_lut.residual import Layers, fit_residual
from vitnas.search_spaces import LayerSpec

FILE = Path(__file__).parents[1] / ".." / "shared" / "data" / "nas" / "ofa_mbv3_latency_help.csv.gz"
WIDTHS, STRIDES = (24, 32, 48, 96, 136, 192), (2, 2, 2, 1, 2)
TRAIN, SAMPLES = 3000, (10, 20)
WAYS = ("transfer", "one_factor", "line", "scratch")


def measure(quick: bool) -> dict[str, float]:
    if not FILE.is_file():
        sys.exit(f"needs {FILE.name} in {FILE.parent}")
    data = pd.read_csv(FILE)
    settings = [name for name in map(str, data.columns) if name.startswith("lat_ms_")]
    specs, counts = networks(data)
    work = work_of(specs)
    order = np.random.default_rng(0).permutation(len(data))
    train, test = order[:TRAIN], order[TRAIN:]
    found: dict[str, list[float]] = defaultdict(list)
    shown = settings[::4] if quick else settings
    for old in shown:
        old_ms = data[old].to_numpy()
        alone_ms = additive_table(specs, counts[train], old_ms[train])
        sums_ms = counts @ alone_ms
        line = Calibration.fit(sums_ms[train], old_ms[train])
        found["old_mape"].append(error(line(sums_ms[test]), old_ms[test]))
        layers = Layers(specs, work, alone_ms)
        by_kinds = np.stack([counts[:, rows] @ alone_ms[rows] for rows in by_kind(specs).values()], axis=1)
        for n in SAMPLES:
            picked = train[spread(np.log(by_kinds[train] + 1e-6), n)]
            for new in shown:
                if new == old:
                    continue
                new_ms = data[new].to_numpy()
                near = new.rpartition("_")[2] == old.rpartition("_")[2]
                for way, predicted in predictions(layers, counts, sums_ms, picked, test, new_ms).items():
                    figures = {"mape": error(predicted, new_ms[test]), "spearman": rank(predicted, new_ms[test])}
                    for name, value in figures.items():
                        found[f"{way}_{n}.{name}"].append(value)
                        if near:
                            found[f"{way}_{n}.near_{name}"].append(value)
    results = {key: float(np.mean(values)) for key, values in found.items()}
    rows = [
        (
            f"{way}, {n} samples",
            *(
                f"{results[f'{way}_{n}.{k}']:.3f}"
                for k in ("mape", "spearman", "near_mape", "near_spearman")
                if f"{way}_{n}.{k}" in results
            ),
        )
        for n, way in itertools.product(SAMPLES, WAYS)
    ]
    show("mean over pairs", ("way", "MAPE", "Spearman", "near MAPE", "near Spearman")[: len(rows[0])], rows)
    return results


def networks(data: pd.DataFrame) -> tuple[list[LayerSpec], Floats]:
    """The distinct layers of all networks, and how often each network has each."""
    kernels, expansions, depths = (np.array([json.loads(text) for text in data[name]]) for name in ("ks", "e", "d"))
    numbers: dict[LayerSpec, int] = {}
    places: list[tuple[int, int]] = []
    for row, side in enumerate(data["r"].tolist()):
        for spec in layers_of(side, depths[row], expansions[row], kernels[row]):
            places.append((row, numbers.setdefault(spec, len(numbers))))
    counts = np.zeros((len(data), len(numbers)))
    np.add.at(counts, tuple(np.array(places).T), 1.0)
    return list(numbers), counts


def layers_of(resolution: int, depths: Floats, expansions: Floats, kernels: Floats) -> list[LayerSpec]:
    """The blocks of one network, and what is the same in all of one resolution as one layer more."""
    found = [LayerSpec.of("ofa_rest", (3, resolution, resolution), (1000,))]
    side, came = (resolution + 1) // 2, WIDTHS[0]
    for stage, width in enumerate(WIDTHS[1:]):
        for place in range(int(depths[stage])):
            out = (side - 1) // STRIDES[stage] + 1 if place == 0 else side
            at = 4 * stage + place
            hidden, kernel = came * int(expansions[at]), int(kernels[at])
            found.append(
                LayerSpec.of(
                    "ofa_block", (came, side, side), (width, out, out), hidden=hidden, kernel=kernel, stage=stage
                )
            )
            side, came = out, width
    return found


def work_of(specs: list[LayerSpec]) -> LayerWork:
    """Counts of the blocks; of the rest, those of its stem and head."""
    counts: dict[str, list[int]] = {name: [] for name in ("num_params", "macs", "weight_bytes", "activation_bytes")}
    for spec in specs:
        came, side = spec.in_shape[:2]
        if spec.kind == "ofa_rest":
            params, macs, live = (
                4_000_000,
                27 * 24 * (side // 2) ** 2 + 192 * 1152 * (side // 32) ** 2,
                24 * (side // 2) ** 2,
            )
        else:
            width, out, hidden = spec.out_shape[0], spec.out_shape[1], spec["hidden"]
            params = came * hidden + hidden * spec["kernel"] ** 2 + hidden * width
            macs = came * hidden * side**2 + (hidden * spec["kernel"] ** 2 + hidden * width) * out**2
            live = hidden * (side**2 + out**2)
        for name, value in zip(counts, (params, macs, 4 * params, 4 * live), strict=True):
            counts[name].append(value)
    return LayerWork.of(specs, counts)


def additive_table(specs: list[LayerSpec], counts: Floats, measured_ms: Floats) -> Floats:
    """Milliseconds of every layer from whole networks: of each block a constant and a part that grows with the map."""
    names = [(s.kind, s.attrs, s.in_shape[0] if s.kind == "ofa_block" else 0) for s in specs]
    sides = np.array([spec.in_shape[1] for spec in specs], dtype=float)
    position = {name: i for i, name in enumerate(dict.fromkeys(names))}
    at = np.array([position[name] for name in names])
    largest = np.zeros(len(position))
    np.maximum.at(largest, at, sides)
    parts = np.zeros((len(specs), 2 * len(position)))
    parts[np.arange(len(specs)), 2 * at] = 1.0
    parts[np.arange(len(specs)), 2 * at + 1] = (sides / largest[at]) ** 2
    relative = (counts @ parts) / measured_ms[:, None]
    penalty = 1e-3 * len(counts) / measured_ms.mean() ** 2 * np.eye(parts.shape[1])
    costs = np.linalg.solve(relative.T @ relative + penalty, relative.sum(axis=0))
    return np.maximum(parts @ costs, 0.0)


def predictions(
    layers: Layers, counts: Floats, sums_ms: Floats, picked: np.ndarray, test: np.ndarray, new_ms: Floats
) -> dict[str, Floats]:
    carried = fit_residual(counts[picked], layers, new_ms[picked], sure=0.0)
    line = Calibration.fit(sums_ms[picked], new_ms[picked])
    factor = 1 / float(np.mean(sums_ms[picked] / new_ms[picked]))
    return {
        "transfer": carried.calibration(sums_ms[test]) + counts[test] @ carried.layers_ms,
        "one_factor": factor * sums_ms[test],
        "line": line(sums_ms[test]),
        "scratch": from_scratch(layers, counts, picked, test, new_ms),
    }


def from_scratch(layers: Layers, counts: Floats, picked: np.ndarray, test: np.ndarray, new_ms: Floats) -> Floats:
    """Ridge on counts of layers, multiplications, traffic and weights of the networks; no table."""
    from sklearn.linear_model import RidgeCV
    from sklearn.preprocessing import StandardScaler

    work = layers.work
    per_layer = np.stack([np.ones(len(work.macs)), work.macs, work.traffic, work.weight_bytes], axis=1)
    features = counts @ per_layer
    scaler = StandardScaler().fit(features[picked])
    model = RidgeCV(np.logspace(-4, 3, 15)).fit(scaler.transform(features[picked]), np.log(new_ms[picked]))
    found: Floats = np.exp(model.predict(scaler.transform(features[test])))
    return found


def error(predicted: Floats, measured: Floats) -> float:
    return float(np.abs(predicted / measured - 1).mean())


def rank(predicted: Floats, measured: Floats) -> float:
    return float(spearmanr(predicted, measured).statistic) if np.ptp(predicted) > 0 else 0.0


if __name__ == "__main__":
    run(__doc__, measure)
