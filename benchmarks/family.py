"""Are the faster networks that `vitnas family` makes of a trained one good without training?

Networks trained here (benchmarks/problems/given.py): a plain transformer and a hybrid on CIFAR-10 and on Fashion-MNIST. Accuracy on the
10,000 test images at 75, 50 and 35 % of the milliseconds of the given network (ONNX Runtime, one thread, one image,
measured in turns with it), for

sorted          channels in order of importance, the same share of everything removed
compensated     the same networks, with what stays making up for what is gone
programme       the front of `vitnas family`: the network of highest validation accuracy within the milliseconds
torch_pruning   Torch-Pruning with Taylor importance, of the plain transformers: inside blocks alone, or the width as well, the better
distilled       programme, then an epoch on the training images with the given network as teacher
torch_pruning_tuned  the same epoch for what Torch-Pruning made
alone           of the networks with the same share of everything the one that is quick enough, from drawn weights, for as many
                epochs as the given network had

Keys: drop_at_75, drop_at_50, drop_at_35 (points lost by programme, mean over networks), METHOD.drop_at_75.NETWORK and so on,
acc.NETWORK, torch_pruning.drop_at_75 (mean over the plain transformers; to be held against plain.drop_at_75), ahead_untrained and
ahead_tuned (the least points by which programme, and distilled, are ahead of it at any point), hypervolume_ratio (of programme
over Torch-Pruning: area below accuracy over milliseconds, mean), short.NETWORK (points that a given network is worse than
somebody would use, where it is), seconds.NETWORK (of `vitnas family` with two workers), seconds.deit-tiny (for DeiT-Ti at
224 pixels with drawn weights, 500 validation images, twenty networks), seconds (the longest).

Trained networks are kept below VITNAS_BENCHMARK_WORK and not made again. Without --tuned the last three are left out. Keys over
all networks are of those that the file of results has. Torch-Pruning comes by `pip install --no-deps torch-pruning`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import frame
import numpy as np
import torch
from problems.given import FILES, GIVEN, IMAGES, Given, arch_of
from problems.rival import pruned_rival, rival_of
from torch import Tensor, nn
from torch.nn import functional as F

from vitnas.api.families import family
from vitnas.automation.pruning.settings import FamilySettings
from vitnas.automation.recipe import augment_for
from vitnas.files import read_json, write_json
from vitnas.nas.run_search import SearchResult
from vitnas.nas.settings import SearchSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.augment import augment, batch_seed_of, seeds_of
from vitnas.supernets.data import Dataset, DataSettings, Images, dataset_of, load_dataset
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.beginning import begin
from vitnas.supernets.training.train import start_run
from vitnas.supernets.weights.checkpoints import load_supernet

RESULTS = Path(__file__).parent / "results" / "family.json"
WORK = Path(os.environ.get("VITNAS_BENCHMARK_WORK", Path(tempfile.gettempdir()) / "vitnas-given"))
SHARES = (0.75, 0.5, 0.35)
TUNED_AT = 0.5
RATIOS = tuple(np.arange(0.05, 0.8, 0.05).round(2).tolist())
"""Of channels that Torch-Pruning removes; of those whose network is quick enough, the least."""
RATE, BATCH, AVERAGED = 5e-4, 64, 0.99
ROUNDS = 200
DEIT = "deit-tiny"


@dataclass(frozen=True)
class Cut:
    """A smaller network and what became of it."""

    network: nn.Module
    share: float
    accuracy: float


def measure(quick: bool, only: str | None = None, tuned: bool = False) -> frame.Results:
    torch.set_num_threads(1)
    if not IMAGES.is_dir():
        raise SystemExit(f"needs {IMAGES}")
    if quick:
        with tempfile.TemporaryDirectory() as folder:
            tiny = Given("fashion", "vit", 28, 1, 0.0, steps=30, val_share=0.01)
            return together(of_network(tiny, Path(folder), quick, tuned))
    if not find_spec("torch_pruning"):
        raise SystemExit("needs Torch-Pruning: pip install --no-deps torch-pruning")
    names = [*(given.name for given in GIVEN), DEIT] if only is None else only.split(",")
    if unknown := [name for name in names if name != DEIT and name not in {given.name for given in GIVEN}]:
        raise SystemExit(f"no network {unknown[0]}; have {[*(given.name for given in GIVEN), DEIT]}")
    WORK.mkdir(parents=True, exist_ok=True)
    results: dict[str, float] = dict(read_json(RESULTS)["results"]) if only is not None and RESULTS.is_file() else {}
    for given in GIVEN:
        if given.name in names:
            results = {key: value for key, value in results.items() if not key.endswith(f".{given.name}")}
            results |= of_network(given, WORK, quick, tuned)
    if DEIT in names:
        results[f"seconds.{DEIT}"] = seconds_of_deit(WORK)
    return together(results)


def seconds_of_deit(folder: Path) -> float:
    """Of the front of a network of the size of DeiT-Ti, whose weights do not matter for that."""
    images = DataSettings(str(IMAGES / FILES["cifar10"]), image_size=224, val_share=0.01)
    run = RunFolder(folder / DEIT)
    if not run.config_file.is_file():
        space = load_space("deit", load_dataset(images).task)
        start_run(run.path, space.alone(space.named("DeiT-Ti")), images, TrainSettings(steps=1, loggers=()))
    begin(run)
    write_json(run.path / "arch.json", arch_of(run).to_json())
    return timed_family(run, images, folder / f"family-{DEIT}", FamilySettings(evaluations=20))[1]


def timed_family(run: RunFolder, images: DataSettings, home: Path, how: FamilySettings) -> tuple[SearchResult, float]:
    """The front of a given network on both cores, and the seconds that it took from the beginning."""
    shutil.rmtree(home, ignore_errors=True)
    start = time.perf_counter()
    found = family(str(run.path / "arch.json"), images, "cpu", how, searching=SearchSettings(workers=2), path=home)
    return found, time.perf_counter() - start


def of_network(given: Given, folder: Path, quick: bool, tuned: bool) -> dict[str, float]:
    """All methods on one given network."""
    run, rows = given.trained(folder), []
    dataset = dataset_of(run)
    assert dataset.test is not None
    test = dataset.test.sample(1000) if quick else dataset.test
    whole = cut_out(load_supernet(run), arch_of(run), dataset.train)
    x = dataset.val.take(np.arange(1))[0]
    base = accuracy(whole, test)
    results = {f"acc.{given.name}": 100 * base}
    rows.append((given.name, "given", "1.00", f"{100 * base:.2f}", ""))
    if base < given.good:
        results[f"short.{given.name}"] = 100 * (given.good - base)
    home = folder / f"family-{given.name}"
    how = FamilySettings(evaluations=6 if quick else 24, refine=0 if quick else 24)
    found, results[f"seconds.{given.name}"] = timed_family(run, given.images, home, how)
    supernet = RunFolder.open(home)
    clock = Clock(whole, x)
    shares = SHARES[:1] if quick else SHARES
    methods: dict[str, Callable[[float], Cut | None]] = {
        "sorted": lambda share: by_line(supernet, False, clock, share, dataset, test),
        "compensated": lambda share: by_line(supernet, True, clock, share, dataset, test),
        "programme": lambda share: of_front(supernet, found.front, clock, share, dataset, test),
    }
    if given.form == "vit" and not quick:
        methods["torch_pruning"] = lambda share: by_rival(whole, dataset, clock, share, test)
    if quick:
        methods = {"programme": methods["programme"]}
    for share in shares:
        for method, make in methods.items():
            cut = make(share)
            if cut is None:
                continue
            cuts = {method: cut}
            if tuned and share == TUNED_AT and method in TUNED:
                train(cut.network, whole, dataset)
                cuts[TUNED[method]] = Cut(cut.network, cut.share, accuracy(cut.network, test))
            for name, one in cuts.items():
                lost = 100 * (base - one.accuracy)
                results[f"{name}.drop_at_{round(100 * share)}.{given.name}"] = lost
                results[f"{name}.share_at_{round(100 * share)}.{given.name}"] = one.share
                rows.append((given.name, name, f"{one.share:.2f}", f"{100 * one.accuracy:.2f}", f"{lost:.2f}"))
                print(*rows[-1], flush=True)
        if tuned and share == TUNED_AT:
            one = alone(given, supernet, clock, share, folder, dataset, test)
            results[f"alone.drop_at_{round(100 * share)}.{given.name}"] = 100 * (base - one.accuracy)
            results[f"alone.share_at_{round(100 * share)}.{given.name}"] = one.share
    frame.show("percent of 10,000 test images", ("network", "method", "share of ms", "accuracy", "points lost"), rows)
    return results


def alone(
    given: Given, supernet: RunFolder, clock: Clock, share: float, folder: Path, dataset: Dataset, test: Images
) -> Cut:
    """Uniform scaling: of the archs with the same share of everything the largest that is quick enough, trained by itself."""
    net, line = load_supernet(supernet), uniform_line(supernet.space)[::-1]
    at = next(i for i, arch in enumerate(line) if clock.share(net.slices(arch).eval()) <= share)
    run = given.like(supernet.space.alone(line[at]), folder / f"{given.name}-{given.epochs}-alone")
    network = cut_out(load_supernet(run), arch_of(run), dataset.train)
    return Cut(network, clock.share(network), accuracy(network, test))


TUNED = {"programme": "distilled", "torch_pruning": "torch_pruning_tuned"}


class Clock:
    """Milliseconds of networks as shares of those of the given one."""

    def __init__(self, whole: nn.Module, x: Tensor) -> None:
        self._x = x
        self._whole = self._session(whole)

    def share(self, network: nn.Module) -> float:
        mine, whole = frame.interleaved_s([self._session(network), self._whole], ROUNDS, time.thread_time)
        return mine / whole

    def _session(self, network: nn.Module) -> Callable[[], object]:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.onnx"
            torch.onnx.export(network, (self._x,), file, dynamo=True, verbose=False)
            session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        feed = {session.get_inputs()[0].name: self._x.numpy()}
        return lambda: session.run(None, feed)


def by_line(
    run: RunFolder, compensated: bool, clock: Clock, share: float, dataset: Dataset, test: Images
) -> Cut | None:
    """Of the archs with the same share of everything, the largest within the milliseconds."""
    net = load_supernet(run)
    if not compensated:
        net.compensation = None
    return first_within(uniform_line(run.space)[::-1], lambda a: cut_out(net, a, dataset.train), clock, share, test)


def of_front(run: RunFolder, front: Any, clock: Clock, share: float, dataset: Dataset, test: Images) -> Cut | None:
    """Of the points of a front, the most accurate within the milliseconds."""
    net = load_supernet(run)
    falling = [point.arch for point in sorted(front.points, key=lambda point: -point.objectives["accuracy"])]
    return first_within(falling, lambda a: cut_out(net, a, dataset.train), clock, share, test)


def by_rival(whole: nn.Module, dataset: Dataset, clock: Clock, share: float, test: Images) -> Cut | None:
    """The better one of Torch-Pruning's two ways, of each the least removed that is quick enough."""
    assert isinstance(whole, nn.Sequential)
    network = rival_of(whole)
    batches = list(dataset.train.sample(512).batches(BATCH))
    cuts = [
        first_within(RATIOS, lambda ratio, all_=all_: pruned_rival(network, batches, ratio, all_), clock, share, test)  # type: ignore[misc]
        for all_ in (False, True)
    ]
    return max((cut for cut in cuts if cut is not None), key=lambda cut: cut.accuracy, default=None)


def first_within(
    choices: Sequence[Any], make: Callable[[Any], nn.Module], clock: Clock, share: float, test: Images
) -> Cut | None:
    """The first choice whose network takes at most that share of the milliseconds, later ones taking less and less."""
    low, high, found = 0, len(choices), None
    while low < high:
        middle = (low + high) // 2
        network = make(choices[middle])
        if (took := clock.share(network)) <= share:
            high, found = middle, (network, took)
        else:
            low = middle + 1
    return None if found is None else Cut(*found, accuracy(found[0], test))


@torch.no_grad()
def accuracy(network: nn.Module, images: Images) -> float:
    network.eval()
    right = [(network(x).argmax(1) == y).sum() for x, y in images.batches(256)]
    return float(torch.stack(right).sum()) / len(images)


def train(network: nn.Module, teacher: nn.Module, dataset: Dataset) -> None:
    """One epoch from the teacher's answers, the weights averaged."""
    batches = Batches(len(dataset.train), BATCH, 0)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=batches.per_epoch, pct_start=0.05)
    averaging = torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGED)  # type: ignore[no-untyped-call]
    mean = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=averaging)
    network.train()
    for x in augmented(dataset, batches):
        with torch.no_grad():
            target = teacher(x).softmax(dim=1)
        optimizer.zero_grad()
        F.cross_entropy(network(x), target).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean.update_parameters(network)
    state = mean.module.state_dict()
    own = network.state_dict()
    for name, tensor in state.items():
        own[name].copy_(tensor)
    network.eval()
    recalibrate(network, dataset.train)


def augmented(dataset: Dataset, batches: Batches) -> Iterator[Tensor]:
    """One epoch of shifted, and if they have colours mirrored, images."""
    how = augment_for(dataset)
    for step in range(batches.per_epoch):
        rows = batches[step]
        pixels, labels = dataset.train.pixels(rows)
        seeds = torch.from_numpy(seeds_of(0, 0, rows))
        x, _ = augment(pixels, labels, seeds, batch_seed_of(0, step), how, dataset.task.num_classes)
        yield dataset.train.normalise(x)


def together(results: Mapping[str, float]) -> dict[str, float]:
    """The same with what holds over all networks."""
    found = dict(results)
    names = [key.removeprefix("acc.") for key in results if key.startswith("acc.")]
    plain = [name for name in names if name.endswith("vit")]

    def mean(method: str, percent: int, of: list[str]) -> float | None:
        values = [results[key] for name in of if (key := f"{method}.drop_at_{percent}.{name}") in results]
        return float(np.mean(values)) if values else None

    for percent in (round(100 * share) for share in SHARES):
        for key, method, of in (
            (f"drop_at_{percent}", "programme", names),
            (f"plain.drop_at_{percent}", "programme", plain),
            (f"torch_pruning.drop_at_{percent}", "torch_pruning", plain),
        ):
            if (value := mean(method, percent, of)) is not None:
                found[key] = value
    for key, ours, theirs in (
        ("ahead_untrained", "programme", "torch_pruning"),
        ("ahead_tuned", "distilled", "torch_pruning_tuned"),
    ):
        gaps = [
            results[k.replace(ours, theirs, 1)] - results[k]
            for k in results
            if k.startswith(f"{ours}.drop_at_") and k.replace(ours, theirs, 1) in results
        ]
        if gaps:
            found[key] = min(gaps)
    rivals = [name for name in plain if f"torch_pruning.drop_at_75.{name}" in results]
    ratios = [area(results, "programme", name) / area(results, "torch_pruning", name) for name in rivals]
    if ratios:
        found["hypervolume_ratio"] = float(np.mean(ratios))
    found["seconds"] = max(value for key, value in results.items() if key.startswith("seconds."))
    return found


def area(results: Mapping[str, float], method: str, name: str) -> float:
    """Below accuracy over the share of milliseconds, as stairs from the quickest network to the given one."""
    base = results[f"acc.{name}"]
    points = [(1.0, base)]
    for percent in (round(100 * share) for share in SHARES):
        if (key := f"{method}.drop_at_{percent}.{name}") in results:
            points.append((results[f"{method}.share_at_{percent}.{name}"], base - results[key]))
    points.sort()
    total, best = 0.0, 0.0
    for (share, accuracy_), (following, _) in zip(points, [*points[1:], (1.0, 0.0)], strict=True):
        best = max(best, accuracy_)
        total += best * (following - share)
    return total


if __name__ == "__main__":
    frame.run(
        __doc__,
        measure,
        {
            "--only": {"help": "some of them, such as cifar10-vit,fashion-vit,deit-tiny"},
            "--tuned": {"action": "store_true", "help": "also an epoch of distillation, for us and for the rival"},
        },
    )
