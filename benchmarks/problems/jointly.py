"""Is one search over channels and precisions worth more than two, one after the other?"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from frame import show
from numpy.typing import NDArray
from problems.rounded import Network

from vitnas.api.searching import search
from vitnas.automation.pruning.given_run import given_run
from vitnas.automation.recipe import recipe
from vitnas.latency_lut.devices import load_device
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.protocol import thread_clock
from vitnas.latency_lut.runtimes.onnx import INPUT
from vitnas.latency_lut.runtimes.onnx_runtime import OnnxRuntime
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.pareto.hypervolume import hypervolume
from vitnas.nas.sensitivity import Sensitivities, measure_sensitivities
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Compressed
from vitnas.supernets.data import Images, data_settings_of, dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate, evaluate_arch
from vitnas.supernets.shared_ranges import ranges_of
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import load_supernet

EVALUATIONS, SEEDS, FRONT = 40, (1, 2), 10
VAL_SHARE, TEST_IMAGES = 0.02, 2000
TUNED = 400
"""Steps of the joint training of the family that is searched."""
BUDGET_S = 360.0
"""For the table of the family."""


def jointly(networks: dict[str, Network], integers: str, quick: bool) -> dict[str, float]:
    """Area of the front of a search over channels and precisions, over that of two ways to choose one after the other.

    The networks are those that the plain transformer becomes when channels are removed, trained together for TUNED steps. Each way
    has the same number of evaluations. Fronts are judged by accuracy on the test images, with ranges of their own, and by milliseconds
    measured in turns.
    """
    one = networks["plain"]
    run = _family(one, quick)
    dataset = dataset_of(run)
    assert dataset.test is not None
    space, device = run.space.compressed([integers]), load_device("cpu")
    path = run.latency_file("cpu")
    if not path.is_file():
        settings = ProfileSettings(block_ms=10.0, blocks=10, warmup_ms=100.0) if not quick else _HASTY
        profile(space, device, path, settings, budget_s=None if quick else BUDGET_S)
    table = LatencyTable.read(path)
    sensitivities = measure_sensitivities(load_supernet(run), space, dataset.train)
    judge = Judge(run, space, table, sensitivities, integers, 8 if quick else EVALUATIONS)
    fronts = {
        (way, seed): find(seed)
        for seed in (SEEDS[:1] if quick else SEEDS)
        for way, find in (("joint", judge.joint), ("int8", judge.everywhere), ("policy", judge.by_layer))
    }
    archs = list(dict.fromkeys(arch for front in fronts.values() for arch in front))
    accuracy = judge.tested(archs, dataset.test.sample(200 if quick else TEST_IMAGES))
    ms = measured_ms(space, archs, 20 if quick else 200)
    corner = np.array([0.0, 1.05 * max(ms.values())])
    area = {
        key: hypervolume(np.array([(-accuracy[arch], ms[arch]) for arch in front]), corner)
        for key, front in fronts.items()
    }
    found: dict[str, float] = {}
    for rival, key in (("int8", "joint_hypervolume_gain"), ("policy", "joint_over_policy")):
        gains = [area["joint", seed] / area[rival, seed] - 1 for way, seed in fronts if way == "joint"]
        found[key] = float(np.mean(gains))
        found |= {f"{key.replace('joint_', 'seeds_')}.{i}": gain for i, gain in enumerate(gains, 1)}
    show(
        "fronts",
        ("way", "seed", "networks", "best percent right", "fastest ms", "area"),
        [
            (
                way,
                seed,
                len(front),
                f"{100 * max(accuracy[a] for a in front):.2f}",
                f"{min(ms[a] for a in front):.3f}",
                f"{area[way, seed]:.4f}",
            )
            for (way, seed), front in fronts.items()
        ],
    )
    return found


_HASTY = ProfileSettings(block_ms=4.0, blocks=5, warmup_ms=20.0, max_warmup_ms=100.0, fit_networks=8, test_networks=4)


def _family(one: Network, quick: bool) -> RunFolder:
    """What a network becomes, trained together for a while."""
    steps = 20 if quick else TUNED
    how = recipe(one.dataset, False, steps, learning_rate=5e-4, sampler="multi", threads=1)
    run = given_run(
        str(one.run.path / "arch.json"),
        replace(data_settings_of(one.run), val_share=VAL_SHARE),
        replace(how, init_order="output_error"),
        lambda name: one.run.path.parent / f"rounded-{name}",
        print,
    )
    train(run, progress=False)
    return run


@dataclass(frozen=True, eq=False)
class Judge:
    """Three ways to the front of networks at precisions, each with so many evaluations."""

    run: RunFolder
    space: Compressed
    table: LatencyTable
    sensitivities: Sensitivities
    integers: str
    evaluations: int

    def joint(self, seed: int) -> list[Arch]:
        """Channels and precisions at once."""
        return self._searched(seed, self.evaluations, compress=[self.integers])

    def everywhere(self, seed: int) -> list[Arch]:
        """Channels, then all layers in integers."""
        return [self.space.compress(arch, self.integers) for arch in self._searched(seed, self.evaluations)]

    def by_layer(self, seed: int) -> list[Arch]:
        """Channels with half of the evaluations, then the precisions of each layer with the other half.

        Layers go to integers in order of the milliseconds that this saves by what it does to the answers; how many do is evaluated.
        """
        archs = self._searched(seed, self.evaluations // 2)
        left = self.evaluations - self.evaluations // 2
        policies = [policy for arch in archs for policy in self._policies(arch, max(1, left // len(archs)))]
        net, dataset = load_supernet(self.run), dataset_of(self.run)
        ranges = ranges_of(self.run, net, dataset.train, print)
        score = np.array([evaluate_arch(net, arch, dataset, self.space, ranges).accuracy for arch in policies])
        cost = self.table.latency_ms(self.space)(self.space.encode(policies))
        best = [i for i in range(len(policies)) if not np.any((score > score[i]) & (cost <= cost[i]))]
        return [policies[i] for i in best]

    def _policies(self, arch: Arch, number: int) -> list[Arch]:
        """So many, from none of the layers that gain by integers to all of them."""
        sites = [site for site, _ in self.space.base.lower(arch).items() if site in self.space.columns_at]
        plain, *alone = [self.space.compress(arch, chosen) for chosen in ({}, *({s: self.integers} for s in sites))]
        codes = self.space.encode([plain, *alone])
        ms, harm = self.table.latency_ms(self.space)(codes), self.sensitivities.sums()(codes)
        saved = ms[0] - ms[1:]
        order = [i for i in np.argsort(-saved / np.maximum(harm[1:], 1e-9)) if saved[i] > 0]
        numbers = dict.fromkeys(np.linspace(0, len(order), number).round().astype(int).tolist())
        return [self.space.compress(arch, {sites[i]: self.integers for i in order[:n]}) for n in numbers]

    def _searched(self, seed: int, evaluations: int, compress: Sequence[str] = ()) -> list[Arch]:
        folder = self.run.path / f"{'joint' if compress else 'plain'}-{evaluations}-{seed}"
        settings = SearchSettings(
            evaluations=evaluations,
            initial=max(2, evaluations // 4),
            batch=max(1, evaluations // 8),
            patience=0,
            seed=seed,
            measure=False,
            loggers=(),
        )
        found = search(self.run, "cpu", settings, folder=folder, compress=tuple(compress))
        points = sorted(found.front.points, key=lambda point: -point.objectives["accuracy"])
        some = dict.fromkeys(np.linspace(0, len(points) - 1, min(FRONT, len(points))).round().astype(int).tolist())
        return [points[i].arch for i in some]

    def tested(self, archs: Sequence[Arch], images: Images) -> dict[Arch, float]:
        """Their accuracy with ranges of their own."""
        net, seen = load_supernet(self.run), dataset_of(self.run).train
        return {arch: evaluate(cut_out(net, arch, seen, space=self.space), images).accuracy for arch in archs}


def measured_ms(space: Compressed, archs: Sequence[Arch], calls: int) -> dict[Arch, float]:
    """Medians of calls that take turns, one thread."""
    blueprints = [space.lower(arch) for arch in archs]
    feed = {INPUT: np.random.default_rng(0).standard_normal((1, *blueprints[0].in_shape), dtype=np.float32)}
    with tempfile.TemporaryDirectory() as folder:
        runtime = OnnxRuntime(Path(folder), threads=1, batch=1)
        sessions = [runtime.session(blueprint, runtime.file(blueprint)) for blueprint in blueprints]
    clocks = [thread_clock(partial(session.run, None, feed)) for session in sessions]
    times: NDArray[np.float64] = np.array([[clock(1) for clock in clocks] for _ in range(calls)])[calls // 10 :]
    return dict(zip(archs, np.median(times, axis=0).tolist(), strict=True))
