"""How well training-free scores rank networks whose accuracy is known: 100 AutoFormer-T archs of ViT-Bench-101.

Kendall's tau of every proxy, of its assemblies and of plain counts against every column of accuracies, each on its own:
the columns disagree, some even in sign. Keys: tau.COLUMN.PROXY, and ahead.COLUMN, how often the aggregate
ranks better than the number of parameters when the networks are drawn anew (1,000 bootstrap samples). What the aggregate
takes was chosen with these columns in view, so it and its parts are also held to 100 networks of another family that
was not: convolutional ones of the Once-for-All space, ImageNet accuracy (tau.ofa.PROXY).

Needs vit_bench_101_autoformer_ti.csv and, for the last, dynast_ofa_mbv3_search_logs.csv.gz in ../shared/data/nas; or
--data with a column `arch`, a JSON object of the genes of --space, and columns that end in `_acc`. Networks look at
images of --image-size, which costs a quarter of what 224 px do. Scores are kept in --out; name another folder once the code
of a proxy has changed.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from frame import run, show
from numpy.typing import NDArray
from predictors import LOG, published_log
from scipy.stats import kendalltau

from vitnas.errors import SearchError
from vitnas.files import read_json, write_json
from vitnas.predictors.proxies import PROXIES
from vitnas.predictors.proxies.aggregate import ASSEMBLIES
from vitnas.predictors.proxies.scoring import score_archs, with_assemblies
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space

FILE = Path(__file__).parents[1] / ".." / "shared" / "data" / "nas" / "vit_bench_101_autoformer_ti.csv"
GENES = {"hidden_dim": "width", "num_heads": "heads"}
WORK = Path(tempfile.gettempdir()) / "vitnas-proxies"
AT_ONCE, SAMPLES = 10, 1000
OTHER_SIZE = 112
"""The least at which the last map of the 16 images that `feature-rank` sees has more places than channels."""

Scores = dict[str, NDArray[np.float64]]


def measure(quick: bool, data: Path, space: str, image_size: int, seed: int, out: Path) -> dict[str, float]:
    if not data.is_file():
        sys.exit(f"needs {data.name} in {data.parent}, or --data")
    found = load_space(space, Task(image_size=image_size))
    table = pd.read_csv(data)[: 20 if quick else None]
    archs = [_arch(found, json.loads(text)) for text in table["arch"]]
    columns = [str(name) for name in table.columns if str(name).endswith("_acc")]
    accuracies = {name.removesuffix("_acc"): table[name].to_numpy() for name in columns}
    results = _compare(found, archs, accuracies, list(PROXIES), seed, out)
    if data == FILE and not quick and LOG.is_file():
        other, codes, accuracy = published_log()
        other = replace(other, task=replace(other.task, image_size=OTHER_SIZE))
        some = np.random.default_rng(0).permutation(len(codes))[:100]
        parts = list(ASSEMBLIES["aggregate"].parts)
        results |= _compare(other, other.decode(codes[some]), {"ofa": accuracy[some]}, parts, seed, out)
    return results


def _compare(
    space: SearchSpace,
    archs: list[Arch],
    accuracies: Mapping[str, NDArray[np.float64]],
    names: Sequence[str],
    seed: int,
    out: Path,
) -> dict[str, float]:
    scores = _scores(space, archs, names, seed, out / f"{space.name}-{space.task.image_size}-{seed}.json")
    taus = {
        proxy: {name: _tau(values, column) for name, column in accuracies.items()} for proxy, values in scores.items()
    }
    order = sorted(taus, key=lambda proxy: (proxy in ASSEMBLIES, -np.mean(list(taus[proxy].values()))))
    show(
        f"Kendall's tau, {len(archs)} archs of {space.name}",
        ("proxy", *accuracies),
        [(proxy, *(f"{tau:.3f}" for tau in taus[proxy].values())) for proxy in order],
    )
    ahead = {name: _ahead(scores["aggregate"], scores["params"], column) for name, column in accuracies.items()}
    results = {f"tau.{name}.{proxy}": taus[proxy][name] for name in accuracies for proxy in order}
    return results | {f"ahead.{name}": share for name, share in ahead.items()}


def _arch(space: SearchSpace, genes: dict[str, object]) -> Arch:
    named = {GENES.get(name, name): value for name, value in genes.items()}
    return space.check(Arch.from_json({"space": space.name, "genes": named}))


def _scores(space: SearchSpace, archs: list[Arch], names: Sequence[str], seed: int, file: Path) -> Scores:
    """Of the proxies that the space supports and of their assemblies; a run that was cut short goes on from `file`."""
    known: dict[str, dict[str, float]] = read_json(file) if file.is_file() else {}
    for name in names:
        own = known.setdefault(name, {})
        left = [arch for arch in archs if arch.id not in own]
        try:
            for start in range(0, len(left), AT_ONCE):
                some = left[start : start + AT_ONCE]
                own |= zip(
                    (arch.id for arch in some), score_archs(space, some, [name], seed)[name].tolist(), strict=True
                )
                write_json(file, known)
                print(f"{name}: {len(own)} of {len(archs)} archs", file=sys.stderr, flush=True)
        except SearchError as error:
            print(f"left out: {error}", file=sys.stderr)
            del known[name]
    alone = {name: np.array([own[arch.id] for arch in archs]) for name, own in known.items()}
    return with_assemblies(alone, [name for name, found in ASSEMBLIES.items() if set(found.parts) <= set(alone)])


def _tau(scores: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    return float(kendalltau(scores, accuracies).statistic) if np.ptp(scores) > 0 else 0.0


def _ahead(ours: NDArray[np.float64], theirs: NDArray[np.float64], accuracies: NDArray[np.float64]) -> float:
    rng = np.random.default_rng(0)
    samples = rng.integers(len(accuracies), size=(SAMPLES, len(accuracies)))
    return float(np.mean([_tau(ours[s], accuracies[s]) > _tau(theirs[s], accuracies[s]) for s in samples]))


if __name__ == "__main__":
    run(
        __doc__,
        measure,
        {
            "--data": {"type": Path, "default": FILE, "metavar": "FILE", "help": "another CSV file of accuracies"},
            "--space": {"default": "autoformer-tiny", "help": "the space of its archs (default: autoformer-tiny)"},
            "--image-size": {"type": int, "default": 64, "help": "images that the networks look at (default: 64)"},
            "--seed": {"type": int, "default": 0, "help": "of weights and images (default: 0)"},
            "--out": {"type": Path, "default": WORK, "metavar": "DIR", "help": "where scores are kept"},
        },
    )
