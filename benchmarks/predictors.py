"""How many evaluated archs does a predictor need?

Two sets of scores: (1) the published search log of DyNAS-T, ImageNet accuracies of 2,162 distinct subnets of the
Once-for-All MobileNetV3 supernet of width 1.0; (2) 600 archs of autoformer-mini, spread over MACs, on a supernet that
this benchmark trains on the digits (minutes; both are kept in the cache). Each predictor learns from 25 to 400 archs
drawn at random and is judged on all others of the set, over 20 draws. Interrupted, it goes on with the draw it was at.

Keys: tau.PREDICTOR.SIZE and mae.PREDICTOR.SIZE (percentage points of accuracy) on the log, each with .low and .high,
the 5th and 95th percentile over draws; covered.PREDICTOR.SIZE, the share inside the 90 % intervals; the same after
own. for the digits. ReferenceNetwork ours: dynast, what DyNAS-T uses (one-hot choices, ridge or support vectors with a radial kernel,
whichever a grid search over five folds prefers), and params, the number of parameters alone. fit_s.PREDICTOR
and predict_s.PREDICTOR are seconds to learn from 2,000 archs of the log and to predict 100,000.

Needs dynast_ofa_mbv3_search_logs.csv.gz in ../shared/data/nas for the first; without it only the second is done.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import gzip
import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from frame import run, show
from numpy.typing import NDArray

import vitnas.predictors
from vitnas.files import read_json, write_json
from vitnas.files.caches import cache_folder
from vitnas.nas.execution.executor import SerialExecutor
from vitnas.nas.fit_predictor import evaluate_archs, spread_over_macs
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.predictors import PREDICTORS
from vitnas.predictors.features import Features
from vitnas.predictors.metrics import compare, kendall
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Codes, LayerSpec, SearchSpace, Task
from vitnas.search_spaces.gene import Gene
from vitnas.search_spaces.lowering import Site
from vitnas.search_spaces.published.mobile_stages import multiple_of_8
from vitnas.search_spaces.published.stages import map_shape, mbconv
from vitnas.supernets.counting.population import PopulationCounter

Floats = NDArray[np.float64]

LOG = Path(__file__).parents[1] / ".." / "shared" / "data" / "nas" / "dynast_ofa_mbv3_search_logs.csv.gz"
SIZES, DRAWS, OWN_ARCHS = (25, 50, 100, 200, 400), 20, 600
STAGES = (  # width, stride, squeeze-and-excitation, activation
    (24, 2, False, "relu"),
    (40, 2, True, "relu"),
    (80, 2, False, "hardswish"),
    (112, 1, True, "hardswish"),
    (160, 2, True, "hardswish"),
)


def measure(quick: bool) -> dict[str, float]:
    results: dict[str, float] = {}
    sizes, draws = ((25, 100), 2) if quick else (SIZES, DRAWS)
    if LOG.is_file():
        space, codes, scores = published_log()
        results |= sample_efficiency("ImageNet, the log of DyNAS-T", "", space, codes, scores, sizes, draws)
        results |= seconds(space, codes, scores)
    else:
        print(f"no {LOG.name} in {LOG.parent}: the published log is left out", file=sys.stderr)
    if not quick:
        space, codes, scores = own_supernet()
        results |= sample_efficiency("digits, our own supernet", "own.", space, codes, scores, sizes, draws)
    return results


def sample_efficiency(
    title: str, prefix: str, space: SearchSpace, codes: Codes, scores: Floats, sizes: Sequence[int], draws: int
) -> dict[str, float]:
    names = [*PREDICTORS, "dynast"]
    num_params = PopulationCounter(space)(codes).num_params
    one_hot = Features(space)(codes)
    one_hot = one_hot[:, ((one_hot == 0) | (one_hot == 1)).all(axis=0)]
    kept = cache_folder() / "benchmarks" / f"predictors-{prefix or 'log.'}{version()}.json"
    known: dict[str, dict[str, float]] = read_json(kept) if kept.is_file() and draws == DRAWS else {}
    for draw in map(str, range(draws)):
        if draw in known:
            continue
        found: dict[str, float] = {}
        order = np.random.default_rng(int(draw)).permutation(len(codes))
        for size in sizes:
            seen, left = order[:size], order[size:]
            for name in names:
                if name == "dynast":
                    report = compare(dynast(one_hot[seen], scores[seen], one_hot[left]), scores[left])
                else:
                    fitted = PREDICTORS.load(name)(space).fit(codes[seen], scores[seen])
                    report = compare(fitted.predict(codes[left]), scores[left])
                found |= {f"tau.{name}.{size}": report.kendall, f"mae.{name}.{size}": report.mae}
                if report.covered is not None:
                    found[f"covered.{name}.{size}"] = report.covered
        known[draw] = found
        if draws == DRAWS:
            write_json(kept, known)
        print(f"{title}: draw {len(known)} of {draws}", file=sys.stderr, flush=True)
    results = {f"{prefix}tau.params": abs(kendall(num_params, scores))}
    for key in known["0"]:
        values = [found[key] for found in known.values()]
        results[prefix + key] = float(np.mean(values))
        if not key.startswith("covered"):
            results[f"{prefix}{key}.low"], results[f"{prefix}{key}.high"] = np.percentile(values, (5, 95)).tolist()
    for figure in ("tau", "mae", "covered"):
        rows = [(n, *(f"{results.get(f'{prefix}{figure}.{n}.{s}', np.nan):.3f}" for s in sizes)) for n in names]
        show(f"{title}: {figure}", ("predictor", *map(str, sizes)), rows)
    return results


def version() -> str:
    """Changes with the source of this benchmark and of the predictors: what was drawn before then counts no more."""
    digest = hashlib.sha256()
    for path in [Path(__file__), *sorted(Path(vitnas.predictors.__path__[0]).glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def dynast(one_hot: Floats, scores: Floats, others: Floats) -> Floats:
    """Ridge or support vectors, whichever errs less over five folds, each with the best of its grid."""
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVR

    scale = 10 ** (np.floor(np.log10(np.abs(scores).max())) - 1)
    judge = "neg_mean_absolute_percentage_error"
    searches = [
        GridSearchCV(Ridge(), {"alpha": np.arange(0.1, 10.1, 1.0)}, cv=5, scoring=judge),
        GridSearchCV(SVR(gamma="auto", epsilon=0.0), {"C": (1, 20, 40, 60, 80, 100)}, cv=5, scoring=judge),
    ]
    fitted = [search.fit(one_hot, scores / scale) for search in searches]
    best = max(fitted, key=lambda search: float(search.best_score_))
    found: Floats = best.predict(others) * scale
    return found


def seconds(space: SearchSpace, codes: Codes, scores: Floats) -> dict[str, float]:
    """Of the processor, to learn from 2,000 archs and to predict 100,000, when everything is loaded."""
    many = space.genome.sample(100_000, np.random.default_rng(0))
    results: dict[str, float] = {}
    for name in PREDICTORS:
        predictor = PREDICTORS.load(name)(space).fit(codes[:50], scores[:50])
        start = time.process_time()
        predictor.fit(codes[:2000], scores[:2000])
        fitted = time.process_time()
        predictor.predict(many)
        results |= {f"fit_s.{name}": fitted - start, f"predict_s.{name}": time.process_time() - fitted}
    rows = [(n, f"{results[f'fit_s.{n}']:.2f}", f"{results[f'predict_s.{n}']:.2f}") for n in PREDICTORS]
    show("seconds of the processor", ("predictor", "learn from 2,000", "predict 100,000"), rows)
    return results


@dataclass(frozen=True, eq=False)
class OnceForAll(SearchSpace):
    """The space of the log. Its counts are those of the log and what five projections on shortcuts add to every arch."""

    def genes(self) -> Sequence[Gene]:
        found = []
        for i in range(1, len(STAGES) + 1):
            found += [
                Gene(f"depth.s{i}", (2, 3, 4)),
                Gene(f"kernel.s{i}", (3, 5, 7), per=f"depth.s{i}"),
                Gene(f"expansion.s{i}", (3, 4, 6), per=f"depth.s{i}"),
            ]
        return found

    def sites(self) -> Sequence[Site]:
        side = self.task.side
        first = map_shape(16, side, 2)
        stem = LayerSpec.of("conv_stem", (3, side, side), first, kernel=3, stride=2, act="hardswish")
        plain = mbconv(first, first, 16, kernel=3, stride=1, squeeze=0, act="relu")
        sites = [Site("stem", (), lambda: stem), Site("first", (), lambda: plain)]
        shape = first
        for i, (width, stride, excite, act) in enumerate(STAGES, 1):
            for n in range(4):
                step = stride if n == 0 else 1
                out = (width, -(-shape[1] // step), -(-shape[2] // step))
                genes = (f"kernel.s{i}[{n}]", f"expansion.s{i}[{n}]")
                sites.append(Site(f"s{i}_block{n}", genes, block(shape, out, step, excite, act)))
                shape = out
        head = LayerSpec.of(
            "conv_head", shape, (self.task.num_classes,), hidden=960, features=1280, bias=False, act="hardswish"
        )
        return [*sites, Site("head", (), lambda: head)]


def block(shape: Any, out: Any, stride: int, excite: bool, act: str) -> Any:
    def made(kernel: int, expansion: int) -> LayerSpec:
        hidden = shape[0] * expansion
        squeeze = multiple_of_8(hidden // 4) if excite else 0
        return mbconv(shape, out, hidden, kernel=kernel, stride=stride, squeeze=squeeze, act=act)

    return made


def published_log() -> tuple[SearchSpace, Codes, Floats]:
    """Distinct archs and their top-1 accuracy in per cent; the counts of the log must be ours."""
    space = OnceForAll("once-for-all-mobilenetv3", Task(224, 3, 1000))
    known: dict[Arch, dict[str, str]] = {}
    with gzip.open(LOG, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sub = ast.literal_eval(row["Sub-network"])
            genes: dict[str, Any] = {}
            for i, depth in enumerate(sub["d"]):
                here = slice(4 * i, 4 * i + depth)
                genes |= {
                    f"depth.s{i + 1}": depth,
                    f"kernel.s{i + 1}": sub["ks"][here],
                    f"expansion.s{i + 1}": sub["e"][here],
                }
            known.setdefault(space.arch(**genes), row)
    codes = space.encode(list(known))
    more = PopulationCounter(space)(codes).num_params - [int(row["Model Parameters"]) for row in known.values()]
    if more.min() != more.max():
        sys.exit("the parameters of the log differ from ours by more than a constant")
    return space, codes, np.array([float(row["Top-1 Acc (%)"]) for row in known.values()])


def own_supernet() -> tuple[SearchSpace, Codes, Floats]:
    """Archs of a supernet trained here, and their accuracy in per cent on the images that judge."""
    folder = cache_folder() / "benchmarks" / "predictors"
    command = ["train-supernet", "--space", "autoformer-mini", "--data", "digits", "--out", str(folder)]
    if (folder / "config.toml").is_file():
        command = ["train-supernet", "--resume", str(folder)]
    subprocess.run([sys.executable, "-m", "vitnas.cli", *command], check=True)
    opened = RunFolder.open(folder)
    codes = spread_over_macs(opened.space, OWN_ARCHS, seed=0)
    origin = {"supernet": max(path.name for path in opened.checkpoints.glob("step-*"))}
    with contextlib.closing(SerialExecutor()) as executor:
        score = SupernetScore.of(opened)
        good, scores = evaluate_archs(opened.space, codes, score, "accuracy", folder / "scores", executor, origin)
    return opened.space, good, 100 * scores


if __name__ == "__main__":
    run(__doc__, measure)
