"""Which published quantiser loses least on networks trained here?

Every method of `vitnas/supernets/quantisers/simulation.py` at W8A8, W6A6 and W4A4, by simulation: its quantisers, fitted to 32 training
images in float by the least squared error of each tensor, without the search or the reconstruction of its authors. The first and the last
product keep 8 bits. Networks are a plain transformer and a hybrid on CIFAR-10 (benchmarks/problems/given.py), judged on the same test images.

Keys, NETWORK being plain or hybrid: acc.float.NETWORK, acc.METHOD.BITS.NETWORK (percent right), softmax_mse.METHOD.BITS.NETWORK (mean squared error
of what softmax gives, on those images), fit_s.METHOD.BITS.NETWORK (processor seconds to fit), drop.METHOD.BITS (points lost, mean over networks),
images (that judge), points_std (standard deviation of an accuracy for so many images).

Trained networks and what was found of each are kept below VITNAS_BENCHMARK_WORK and not made again; all of it takes half an hour of one core.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import frame
import numpy as np
import torch
from problems.given import IMAGES, Given, arch_of
from torch import Tensor, nn

from vitnas.files import read_json, without_seal, write_json
from vitnas.search_spaces.precision import Precision
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate_together
from vitnas.supernets.quantisers.simulate import NUM_IMAGES, SimulatedNetwork, simulate
from vitnas.supernets.quantisers.simulation import SIMULATIONS
from vitnas.supernets.weights.checkpoints import load_supernet

WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-quantisers"))
NETWORKS = {"plain": Given("cifar10", "vit", 32, 2, 0.0), "hybrid": Given("cifar10", "hybrid", 64, 4, 0.70)}
QUICK = {"plain": Given("fashion", "vit", 28, 1, 0.0, steps=30, val_share=0.01)}
BITS = ("w8a8", "w6a6", "w4a4")
TEST_IMAGES = 2000


@dataclass(frozen=True)
class Simulated:
    """A method on a network, and the seconds that it took to fit."""

    network: SimulatedNetwork
    fit_s: float


def measure(quick: bool) -> frame.Results:
    torch.set_num_threads(1)
    if not IMAGES.is_dir():
        raise SystemExit(f"needs {IMAGES}")
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            results = of_network("plain", QUICK["plain"], Path(folder), ("w4a4",), 200)
        show(results, "plain", ("w4a4",))
        return with_drops(results)
    WORK.mkdir(parents=True, exist_ok=True)
    results = {}
    for name, given in NETWORKS.items():
        kept = WORK / f"{name}.json"
        if not kept.is_file():
            write_json(kept, of_network(name, given, WORK, BITS, TEST_IMAGES))
        results |= without_seal(read_json(kept), str(kept))
        show(results, name, BITS)
    return with_drops(results)


def of_network(name: str, given: Given, folder: Path, bits: tuple[str, ...], num_images: int) -> dict[str, float]:
    """Every method on one network."""
    run = given.trained(folder)
    dataset = dataset_of(run)
    assert dataset.test is not None
    network = cut_out(load_supernet(run), arch_of(run), dataset.train).eval()
    [(seen, _)] = dataset.train.sample(NUM_IMAGES).batches(NUM_IMAGES)
    test = dataset.test.sample(num_images)
    pairs = [(method, precision) for method in SIMULATIONS for precision in bits]
    made = {(method, precision): fitted(network, method, precision, seen) for method, precision in pairs}
    found = evaluate_together([network, *(one.network for one in made.values())], test)
    results = {
        f"acc.float.{name}": 100 * found[0].accuracy,
        "images": len(test),
        "points_std": 100 * max(one.accuracy_std for one in found),
    }
    for (method, precision), one, result in zip(made, made.values(), found[1:], strict=True):
        key = f"{method}.{precision}.{name}"
        results |= {
            f"acc.{key}": 100 * result.accuracy,
            f"softmax_mse.{key}": one.network.softmax_error,
            f"fit_s.{key}": one.fit_s,
        }
    return results


def show(results: Mapping[str, float], name: str, bits: Sequence[str]) -> None:
    frame.show(
        f"{name}: percent right ({results[f'acc.float.{name}']:.2f} in float), error after softmax, seconds to fit",
        ("method", *bits),
        [
            (
                method,
                *(
                    "{:.2f}, {:.1e}, {:.1f}".format(
                        *(results[f"{part}.{method}.{p}.{name}"] for part in ("acc", "softmax_mse", "fit_s"))
                    )
                    for p in bits
                ),
            )
            for method in SIMULATIONS
        ],
    )


def fitted(network: nn.Module, method: str, precision: str, seen: Tensor) -> Simulated:
    start = time.thread_time()
    made = simulate(network, SIMULATIONS[method], Precision.of(precision), seen)
    return Simulated(made, time.thread_time() - start)


def with_drops(results: dict[str, float]) -> dict[str, float]:
    """The same with the points that each method loses, on average over networks."""
    lost: dict[str, list[float]] = {}
    for key, value in results.items():
        if key.startswith("acc.") and not key.startswith("acc.float."):
            _, method, bits, name = key.split(".")
            lost.setdefault(f"drop.{method}.{bits}", []).append(results[f"acc.float.{name}"] - value)
    return results | {key: float(np.mean(points)) for key, points in lost.items()}


if __name__ == "__main__":
    frame.run(__doc__, measure)
