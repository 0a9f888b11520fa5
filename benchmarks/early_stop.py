"""How much does it save to stop evaluations whose outcome no longer matters?

A small supernet is trained on drawn images of 32 pixels, and searched twice for accuracy against multiplications, with `[search] stop_early` and without, by a
searcher that asks for the same archs (random, no predictor).

Keys: archs_per_s.whole, archs_per_s.early and their ratio; stopped, the share of archs; images, the share of images looked at; front_same (1: the
same archs with the same figures).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import frame
import pandas as pd
import torch

from vitnas.nas.objectives import objectives_named
from vitnas.nas.problem import Problem
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.nas.search import search
from vitnas.nas.settings import SearchSettings
from vitnas.nas.study import Study, database
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train

SETTINGS = SearchSettings(
    evaluations=160, initial=20, batch=20, searcher="random", predictor="none", patience=0, measure=False,
    objectives=("accuracy", "macs"),
)  # fmt: skip


def measure(quick: bool) -> frame.Results:
    torch.set_num_threads(1)
    data = DataSettings("shapes", image_size=32)
    task = load_dataset(data).task
    space = load_space("autoformer-mini", task)
    steps, settings = (40, replace(SETTINGS, evaluations=40)) if quick else (400, SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        how = TrainSettings(steps=steps, threads=1, evaluate_every=steps, loggers=())
        run = start_run(Path(folder) / "run", space, data, how)
        train(run, progress=False)
        return _compare(run, settings, Path(folder))


def _compare(run: RunFolder, settings: SearchSettings, folder: Path) -> frame.Results:
    score, counter = SupernetScore.of(run), PopulationCounter(run.space)
    costs = {"macs": lambda codes: counter(codes).macs}
    problem = Problem(run.space, objectives_named(settings.objectives), costs)
    whole, early = folder / "whole", folder / "early"
    fronts = [
        search(problem, score, replace(settings, stop_early=stops), where, progress=False)
        for where, stops in ((whole, False), (early, True))
    ]
    points = [[(point.arch, point.objectives, point.answers) for point in front.points] for front in fronts]
    seconds = {
        where: float(pd.read_parquet(where / "evaluations.parquet")["seconds"].sum()) for where in (whole, early)
    }
    study = Study(run.space, problem.objectives, database(early), early.resolve().name, {})
    stopped = [one.stopped for one in study if one.stopped is not None]
    images = len(score.dataset.val)
    seen = sum(one.images_seen for one in stopped) + (len(study) - len(stopped)) * images
    return {
        "archs_per_s.whole": settings.evaluations / seconds[whole],
        "archs_per_s.early": settings.evaluations / seconds[early],
        "ratio": seconds[whole] / seconds[early],
        "stopped": len(stopped) / len(study),
        "images": seen / (len(study) * images),
        "front_same": float(points[0] == points[1]),
    }


if __name__ == "__main__":
    frame.run(__doc__, measure)
