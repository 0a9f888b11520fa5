"""A run as commands leave it, made in seconds: a table of a pretended device, two searches by a formula, a predictor."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.latency_lut.pretended import PretendedDevice
from tests.nas.problem import posed
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.nas.fit_predictor import PredictorFit
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.predictors.metrics import compare, hold_out
from vitnas.predictors.ridge import Ridge
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, load_space
from vitnas.supernets.counting.population import PopulationCounter

SPACE = load_space("autoformer-mini")


def score(arch: Arch) -> dict[str, float]:
    """More is better, with ever less to gain."""
    size = arch["depth"] + arch["width"] / 40 + sum(arch["heads"]) / 10
    return {"accuracy": 1 - 0.6 / size, "accuracy_std": 0.01, "loss": 1 / size}


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    opened = RunFolder.create(tmp_path_factory.mktemp("runs") / "digits", SPACE, {"train": {"epochs": 3, "seed": 5}})
    entries: list[dict[str, object]] = [{"step": step, "epoch": 0, "loss": 2 / step} for step in (10, 20, 30)]
    accuracies = {"smallest": {"accuracy": 0.5, "loss": 1.2}, "largest": {"accuracy": 0.75, "loss": 0.8}}
    entries.append({"step": 30, **accuracies})
    opened.metrics_file.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"step": 40, "lo')
    few = ProfileSettings(fit_networks=6, test_networks=7)
    table = profile(SPACE, PretendedDevice(), opened.latency_file("pretended"), few, progress=False)
    counter = PopulationCounter(SPACE)
    costs = {
        "latency_ms": table.latency_ms(SPACE),
        "latency_ms_std": table.latency_std_ms(SPACE),
        "num_params": lambda codes: counter(codes).num_params.astype(np.float64),
    }
    origin = {"device": "pretended", "table": table.header.created}
    middle = float(np.median(costs["latency_ms"](SPACE.genome.sample(200, np.random.default_rng(0)))))
    for name, seed, limits in (("search-pretended", 0, {}), ("search-tight", 1, {"latency_ms": middle})):
        settings = SearchSettings(
            evaluations=24, initial=12, batch=6, seed=seed, limits=limits, predictor="none", measure=False
        )
        search(posed(SPACE, settings, costs, origin=origin), score, settings, opened.path / name, progress=False)
    codes = SPACE.genome.sample(40, np.random.default_rng(1))
    scores = np.array([score(arch)["accuracy"] for arch in SPACE.decode(codes)])
    told = hold_out(lambda: Ridge(SPACE), codes, scores, 5)
    report = compare(told, scores, counter(codes).num_params)
    ids = [arch.id for arch in SPACE.decode(codes)]
    fit = PredictorFit(
        SPACE.name, {}, "accuracy", "ridge", {}, report, ids, scores.tolist(), told.mean.tolist(), told.std.tolist()
    )
    fit.save(opened.path / "predictor")
    return opened.path
