"""Trained networks of which layers are rounded: what that costs, whether it is foreseen, and whether it is worth searching for.

Those of quantisers.py: a plain transformer and a hybrid, trained here on CIFAR-10 and kept below VITNAS_BENCHMARK_WORK.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from frame import show
from problems.given import IMAGES, Given, arch_of
from quantisers import NETWORKS, QUICK
from scipy.stats import spearmanr
from torch import nn

from vitnas.deployment.compressed.figures import engine_minus_simulated
from vitnas.deployment.compressed.network import reference
from vitnas.deployment.export import export
from vitnas.deployment.folding import fold
from vitnas.deployment.settings import ExportSettings
from vitnas.nas.sensitivity import measure_sensitivities
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Compressed
from vitnas.supernets.data import Dataset, dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate_together
from vitnas.supernets.precision.ladder import LEVELS
from vitnas.supernets.precision.sensitivity import mean_divergence
from vitnas.supernets.weights.checkpoints import load_supernet

CALIBRATION = 128
POLICIES, FEWEST = 25, 0.2
"""Random choices of what is rounded, and the least share of layers that one rounds."""
FORMATS = ("onnx", "coreml")


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network."""

    run: RunFolder
    dataset: Dataset
    network: nn.Sequential

    @classmethod
    def of(cls, given: Given, folder: Path) -> Network:
        run = given.trained(folder)
        dataset = dataset_of(run)
        return cls(run, dataset, cut_out(load_supernet(run), arch_of(run), dataset.train).eval())

    def compressed(self, menu: Sequence[str]) -> Compressed:
        return self.run.space.compressed(menu)


def each(quick: bool, folder: Path, names: Sequence[str]) -> dict[str, Network]:
    """The networks of these names, as far as there is time for them; their runs lie in a folder."""
    torch.set_num_threads(1)
    if not IMAGES.is_dir():
        raise SystemExit(f"needs {IMAGES}")
    folder.mkdir(parents=True, exist_ok=True)
    given = QUICK if quick else NETWORKS
    return {name: Network.of(one, folder) for name, one in given.items() if name in names}


def rounding(networks: dict[str, Network], integers: str, quick: bool) -> dict[str, float]:
    """Points of the test images lost by rounding all layers but the first and the last, by precision and level."""
    found, rows = {}, []
    for name, one in networks.items():
        assert one.dataset.test is not None
        test = one.dataset.test.sample(500) if quick else one.dataset.test
        images = one.dataset.train.sample(CALIBRATION).shuffled().all()[0]
        folded = fold(one.network, images)
        cases = [(integers, "L0"), *(("w4a4", level) for level in (LEVELS[:1] if quick else LEVELS))]
        made = []
        for precision, level in cases:
            space = one.compressed([precision])
            low = reference(folded, space.lower(space.compress(arch_of(one.run), precision)), images, level)
            assert low is not None
            made.append(low.simulated)
        right, *rounded = evaluate_together([folded, *made], test)
        found[f"acc.{name}"] = 100 * right.accuracy
        for (precision, level), result in zip(cases, rounded, strict=True):
            key = "ptq_w8a8_drop" if precision == integers else f"ptq_w4a4_drop_{level.lower()}"
            found[f"{key}.{name}"] = 100 * (right.accuracy - result.accuracy)
            rows.append((name, precision, level, f"{100 * result.accuracy:.2f}", f"{found[f'{key}.{name}']:.2f}"))
        found[f"points_std.{name}"] = 100 * right.accuracy_std
    show("test images", ("network", "precision", "level", "percent right", "points lost"), rows)
    return found


def engines(networks: dict[str, Network], integers: str, quick: bool) -> dict[str, float]:
    """The largest difference of accuracy between a runtime and the simulation, over networks with all or half of their layers in integers."""
    found: dict[str, float] = {}
    for name, one in networks.items():
        space = one.compressed([integers])
        whole = space.compress(arch_of(one.run), integers)
        sites = [site for site, spec in space.lower(whole).items() if spec.precision == integers]
        for share, arch in (
            ("all", whole),
            ("half", space.compress(arch_of(one.run), dict.fromkeys(sites[::2], integers))),
        ):
            # Core ML multiplies no integers of 7 bits
            formats = ("onnx",) if quick or integers != "w8a8" else FORMATS
            settings = ExportSettings(formats=formats, measure=False, verify_images=300 if quick else 5000)
            with tempfile.TemporaryDirectory() as folder:
                report = export(space, one.network, arch, one.dataset, Path(folder) / "out", settings, run=one.run)
            for form, points in engine_minus_simulated(report).items():
                found[f"{form}.{share}.{name}.engine_minus_simulated"] = points
                layers = report["formats"][form]["layers"]
                found[f"{form}.{share}.{name}.as_asked"] = layers["as_asked"] / layers["asked"]
    worst = max(abs(value) for key, value in found.items() if key.endswith("engine_minus_simulated"))
    return {"engine_minus_simulated": worst, **found}


def foreseen(networks: dict[str, Network], integers: str, quick: bool) -> dict[str, float]:
    """Rank correlation of the sum of what layers do alone and what they do together, over random choices of layers."""
    found = {}
    for name, one in networks.items():
        assert one.dataset.test is not None
        net, images = load_supernet(one.run), one.dataset.test.sample(64 if quick else 512).all()[0]
        for menu in (("w4a4",), ("w3a8",)) if quick else (("w4a4",), ("w3a8",), ("w4a4", "w3a8", "w6a6")):
            space = one.compressed(menu)
            archs = _policies(space, arch_of(one.run), 6 if quick else POLICIES)
            sums = measure_sensitivities(net, space, one.dataset.train).sums()(space.encode(archs))
            with torch.no_grad():
                answers = one.network(images)
                true = [
                    mean_divergence(answers, cut_out(net, arch, one.dataset.train, space=space).eval()(images))
                    for arch in archs
                ]
            found[f"sensitivity_spearman.{'+'.join(menu)}.{name}"] = float(spearmanr(sums, true).statistic)
    return {"sensitivity_spearman": min(found.values()), **found}


def _policies(space: Compressed, arch: Arch, number: int) -> list[Arch]:
    """Choices that round from few layers to all."""
    rng = np.random.default_rng(0)
    menu = [name for name in space.menu if name != "float"]
    sites = [site for site, _ in space.base.lower(arch).items() if site in space.columns_at]
    found = []
    for share in np.linspace(FEWEST, 1, number):
        some = rng.permutation(sites)[: max(1, round(share * len(sites)))]
        found.append(space.compress(arch, {str(site): str(rng.choice(menu)) for site in some}))
    return found
