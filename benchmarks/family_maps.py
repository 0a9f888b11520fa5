"""Does it pay to let an affine map stand in for a layer that is left out of a given network?

The networks of benchmarks/family.py: the front of `vitnas family` without maps and with them (`--maps`), otherwise alike. Keys:
plain.drop_at_75.NETWORK, mapped.drop_at_75.NETWORK and so on for 50 and 35 % (points of the 10,000 test images that are lost by the
network of highest validation accuracy within these milliseconds), gain_at_75, gain_at_50, gain_at_35 (points that maps save,
mean over networks), maps_at_75.NETWORK and so on (how many maps the network has).

Trained networks, and fronts without maps, that benchmarks/family.py left below VITNAS_BENCHMARK_WORK are used again.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import family
import frame
import numpy as np
import torch
from problems.given import GIVEN, IMAGES, Given, arch_of

from vitnas.api.families import family as make_family
from vitnas.automation.pruning.settings import FamilySettings
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.supernets.data import dataset_of
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.weights.checkpoints import load_supernet

WAYS = {"plain": False, "mapped": True}


def measure(quick: bool, only: str | None = None) -> frame.Results:
    torch.set_num_threads(1)
    if not IMAGES.is_dir():
        raise SystemExit(f"needs {IMAGES}")
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            return of_network(Given("fashion", "vit", 28, 1, 0.0, steps=30, val_share=0.01), Path(folder), quick)
    names = [given.name for given in GIVEN] if only is None else only.split(",")
    results: dict[str, float] = {}
    for given in GIVEN:
        if given.name in names:
            results |= of_network(given, family.WORK, quick)
    for percent in (round(100 * share) for share in family.SHARES):
        lost = [
            np.mean([value for key, value in results.items() if key.startswith(f"{way}.drop_at_{percent}.")])
            for way in WAYS
        ]
        results[f"gain_at_{percent}"] = float(lost[0] - lost[1])
    return results


def of_network(given: Given, folder: Path, quick: bool) -> dict[str, float]:
    """Both fronts of one given network."""
    run = given.trained(folder)
    dataset = dataset_of(run)
    assert dataset.test is not None
    test = dataset.test.sample(1000) if quick else dataset.test
    whole = cut_out(load_supernet(run), arch_of(run), dataset.train)
    base = family.accuracy(whole, test)
    clock = family.Clock(whole, dataset.val.take(np.arange(1))[0])
    how = FamilySettings(evaluations=6 if quick else 24, refine=0 if quick else 24)
    results, rows = {}, []
    for way, maps in WAYS.items():
        home = folder / (f"family-maps-{given.name}" if maps else f"family-{given.name}")
        if maps:
            shutil.rmtree(home, ignore_errors=True)
        found = make_family(
            str(run.path / "arch.json"), given.images, "cpu", replace(how, maps=maps),
            searching=SearchSettings(workers=2), path=home,
        )  # fmt: skip
        for share in family.SHARES[:1] if quick else family.SHARES:
            cut = family.of_front(RunFolder.open(home), found.front, clock, share, dataset, test)
            if cut is None:
                continue
            percent = round(100 * share)
            results[f"{way}.drop_at_{percent}.{given.name}"] = 100 * (base - cut.accuracy)
            if maps:
                names = [name for name, _ in cut.network.named_children()]
                results[f"maps_at_{percent}.{given.name}"] = float(sum(name.endswith("_map") for name in names))
            rows.append((given.name, way, f"{cut.share:.2f}", f"{100 * (base - cut.accuracy):.2f}"))
            print(*rows[-1], flush=True)
    frame.show("percent of 10,000 test images", ("network", "method", "share of ms", "points lost"), rows)
    return results


if __name__ == "__main__":
    frame.run(__doc__, measure, {"--only": {"help": "some of them, such as cifar10-vit,fashion-vit"}})
