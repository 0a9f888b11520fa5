from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vitnas.errors import CheckpointError, DataError, InvalidArchError
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.data import Pixels, load_dataset
from vitnas.supernets.evaluation import EvaluationResult, SubnetScore, evaluate
from vitnas.supernets.training.train import train
from vitnas.supernets.weights.checkpoints import load_supernet

MakeRun = Callable[..., RunFolder]
ELSEWHERE = """
import pickle, sys, torch
torch.set_num_threads(2)
score, arch = pickle.load(open(sys.argv[1], "rb"))
print(score(arch)["loss"].hex())
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, small_run: MakeRun) -> RunFolder:
    run = small_run(tmp_path_factory.mktemp("run") / "run")
    train(run, progress=False)
    return run


def test_accuracy_and_loss_of_a_network_that_is_known() -> None:
    # Logits are the image itself: right on 3 of 4 images.
    x = np.array([[9, 0], [9, 0], [0, 9], [0, 9]], dtype=np.uint8).reshape(4, 2, 1, 1)
    images = Pixels.of(x, np.array([0, 0, 1, 0]), mean=(0.0, 0.0), std=(1 / 255, 1 / 255))
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    nn.init.eye_(network[1].weight)
    for batch_size in (1, 3, 4, 100):
        found = evaluate(network, images, batch_size)
        assert (found.accuracy, found.num_images) == (0.75, 4)
        assert found.right.tolist() == [True, True, True, False]
        assert found.accuracy_std == pytest.approx((4 / 6 * 2 / 6 / 6) ** 0.5)
        right = torch.log1p(torch.exp(torch.tensor(-9.0))).item()
        assert found.loss == pytest.approx((4 * right + 9) / 4, rel=1e-6)


def test_dropout_is_off_and_the_mode_stays() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Dropout(0.9)).train()
    network[1].eval()
    images = load_dataset("digits").val
    assert evaluate(network, images) == evaluate(network, images)
    assert [m.training for m in network] == [True, False, True]
    assert all(p.grad is None for p in network.parameters())


def test_no_accuracy_is_without_an_error() -> None:
    for share in (0.0, 1.0):
        assert EvaluationResult(share, 0.0, 30, np.full(30, bool(share))).accuracy_std == pytest.approx(
            (1 / 32 * 31 / 32 / 32) ** 0.5
        )


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        evaluate(nn.Linear(1, 1), Pixels.of(np.empty((0, 1, 8, 8), np.uint8), np.empty(0, np.int64)))


def test_score_is_that_of_the_extracted_network_on_validation_images(run: RunFolder) -> None:
    arch = run.space.smallest()
    dataset = load_dataset("digits")
    (x, y), (test_x, test_y) = dataset.val.all(), dataset.test.all()
    network = load_supernet(run).extract(arch).eval()
    with torch.no_grad():
        logits, of_test = network(x), network(test_x)
    expected = {
        "accuracy": (logits.argmax(1) == y).double().mean().item(),
        "loss": nn.functional.cross_entropy(logits, y).item(),
        "test_accuracy": (of_test.argmax(1) == test_y).double().mean().item(),
        "test_images": 180,
    }
    found = SubnetScore(run.path)(arch)
    assert found.pop("accuracy_std") > 0
    assert found == pytest.approx(expected, rel=1e-5)


def test_score_is_the_same_to_the_bit_in_another_process(run: RunFolder, tmp_path: Path) -> None:
    arch = run.space.largest()
    (tmp_path / "job").write_bytes(pickle.dumps((SubnetScore(run.path), arch)))
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "job")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == SubnetScore(run.path)(arch)["loss"].hex()


def test_threads_are_given_back(run: RunFolder) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        SubnetScore(run.path)(run.space.smallest())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_newer_weights_are_seen(tmp_path: Path, small_run: MakeRun) -> None:
    run = small_run(tmp_path / "run", steps=4)
    train(run, progress=False)
    score = SubnetScore(run.path)
    before = score(run.space.smallest())
    table = run.config["train"]
    run.save_config({"train": {**table, "steps": 8}})
    train(run, progress=False)
    assert score(run.space.smallest()) != before


def test_what_cannot_be_scored_is_refused(run: RunFolder, tmp_path: Path, small_run: MakeRun) -> None:
    with pytest.raises(InvalidArchError):
        SubnetScore(run.path)(load_space("autoformer-tiny").smallest())
    untrained = small_run(tmp_path / "untrained")
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        SubnetScore(untrained.path)(run.space.smallest())
