"""The same images class by class and shuffled: accuracies, statistics of batch norms and ranges are the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vitnas.deployment.calibration import calibration_images
from vitnas.deployment.export import ExportSettings, export
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.data import Dataset, Images, Pixels, load_dataset
from vitnas.supernets.data.statistics import measured
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.supernet import Supernet

CLASSES, OF_EACH = 8, 250


def pixels(of_each: int, seed: int, order: str) -> Pixels:
    """A class is told by its brightness, so that a few classes are no sample of all."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(CLASSES), of_each)
    x = np.clip(20 + 28 * labels[:, None, None, None] + rng.normal(0, 12, (len(labels), 1, 8, 8)), 0, 255)
    rows = np.arange(len(labels)) if order == "sorted" else rng.permutation(len(labels))
    return Pixels.of(x.astype(np.uint8)[rows], labels[rows], (0.4,), (0.3,))


def dataset(order: str) -> Dataset:
    train, val = pixels(OF_EACH, 0, order), pixels(60, 1, order)
    names = tuple("abcdefgh")
    return Dataset("bright", Task(8, CLASSES, 1), train, val, train.mean, train.std, names, pixels(30, 2, order))


@pytest.fixture(scope="module")
def both() -> tuple[Dataset, Dataset]:
    return dataset("sorted"), dataset("shuffled")


def network() -> nn.Sequential:
    """Batch norm, then a bin of brightness for each class."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, CLASSES))
    middles = (20 + 28 * torch.arange(CLASSES) - 118) / 64.2
    with torch.no_grad():
        net[3].weight[:, 0] = 2 * middles
        net[3].bias.copy_(-(middles**2))
    return net


def test_statistics_of_batch_norms_agree_within_the_error_of_a_sample(both: tuple[Dataset, Dataset]) -> None:
    found = []
    for each in both:
        net = network()
        recalibrate(net, each.train)
        found.append((float(net[0].running_mean), float(net[0].running_var)))
    x = both[0].train.all()[0].flatten(1).mean(dim=1)
    error = float(x.std()) / 1024**0.5  # of the mean of so many images drawn without regard to class; ours is less
    (a, var_a), (b, var_b) = found
    assert abs(a - b) < 3 * error
    assert abs(a - float(x.mean())) < 2 * error
    # A batch mixed in class varies as all images do; the batches of a sorted set would each be of one class.
    whole = float(both[0].train.all()[0].var())
    assert [var_a / whole, var_b / whole] == pytest.approx([1, 1], rel=0.05)


def test_networks_are_judged_alike(both: tuple[Dataset, Dataset]) -> None:
    accuracies = []
    for each in both:
        net = network()
        recalibrate(net, each.train)
        accuracies.append((evaluate(net, each.val).accuracy, evaluate(net, each.test).accuracy))
    assert accuracies[0][0] > 0.9
    assert accuracies[0] == pytest.approx(accuracies[1], abs=0.01)


def test_ranges_and_normalisation_are_measured_alike(both: tuple[Dataset, Dataset]) -> None:
    ranges = [calibration_images(ExportSettings(), each) for each in both]
    for x in ranges:
        assert len(x) == 128
        assert float(x.min()) == pytest.approx(-0.4 / 0.3, abs=0.1)  # black and white were seen in either order
        assert float(x.max()) == pytest.approx(0.6 / 0.3, abs=0.1)
    assert float(ranges[0].mean()) == pytest.approx(float(ranges[1].mean()), abs=0.05)
    of_sorted, of_shuffled = (measured(replace(each.train, mean=(0.0,), std=(1.0,)), "here") for each in both)
    assert of_sorted[0] == pytest.approx(of_shuffled[0], abs=0.01)


def test_normalisation_sees_all_classes_that_take_turns() -> None:
    """Every second image of 4,096 would be of one class."""
    x = np.zeros((4096, 1, 2, 2), np.uint8)
    x[1::2] = 255
    assert measured(Pixels.of(x, np.arange(4096) % 2), "here")[0] == (0.5,)


def test_importance_sees_all_classes(both: tuple[Dataset, Dataset], monkeypatch: pytest.MonkeyPatch) -> None:
    space = load_space("autoformer-mini", both[0].task)
    seen: list[torch.Tensor] = []
    batches = Images.batches

    def noting(images: Images, size: int):
        for x, y in batches(images, size):
            seen.append(y)
            yield x, y

    monkeypatch.setattr(Images, "batches", noting)
    IMPORTANCES.load("weight_gradient")(num_images=80).channels(Supernet(space), both[0].train, space.smallest())
    assert torch.cat(seen).bincount().tolist() == [10] * CLASSES


def test_exports_tell_the_same_of_both(both: tuple[Dataset, Dataset], tmp_path: Path) -> None:
    space = load_space("autoformer-mini", both[0].task)
    supernet = Supernet(space, seed=5)
    with torch.no_grad():  # an untrained network answers with few classes; this one with several
        supernet.layers["head-classifier"].linear.weight.mul_(20)
    settings = ExportSettings(verify_images=64, measure=False)
    found = [
        export(space, supernet, space.smallest(), each, tmp_path / str(i), settings) for i, each in enumerate(both)
    ]
    for key in ("exported", "num_images", "interval"):
        assert found[0]["accuracy"][key] == found[1]["accuracy"][key]
    assert found[0]["accuracy"]["test"] == found[1]["accuracy"]["test"]
    assert found[0]["accuracy"]["num_images"] == 60 * CLASSES
    assert found[0]["formats"]["onnx"]["num_images"] == 64


def test_digits_in_their_order_and_sorted() -> None:
    """Real images: a stratified few of them hold every digit, however they lie."""
    train = load_dataset("digits").train
    by_class = train.only(np.argsort(train.labels[train.rows], kind="stable"))
    for images in (train, by_class):
        few = images.sample(128)
        counts = np.bincount(few.labels[few.rows], minlength=10)
        assert counts.sum() == 128
        assert counts.min() >= 12
