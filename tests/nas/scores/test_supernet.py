from __future__ import annotations

import pickle
import shutil
import subprocess
import sys
from dataclasses import replace

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

from vitnas.errors import CheckpointError, InvalidArchError, SettingsError
from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.pareto.answers import MOST_KEPT, Answers
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.search_spaces import load_space
from vitnas.supernets.data import dataset_of
from vitnas.supernets.data.held import hold
from vitnas.supernets.evaluation import cut_out
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.weights.checkpoints import load_supernet

ELSEWHERE = """
import pickle, sys, torch
torch.set_num_threads(2)
score, arch = pickle.load(open(sys.argv[1], "rb"))
print(score(arch)["loss"].hex())
"""


@pytest.fixture(scope="module")
def score(trained):
    return SupernetScore.of(trained)


def test_scores_are_those_of_the_extracted_network(trained, score):
    dataset = dataset_of(trained)
    for arch in (trained.space.smallest(), trained.space.largest()):
        network = cut_out(load_supernet(trained), arch, dataset.train).eval()
        found, tested = score(arch), SupernetScore.of(trained, test=True)(arch)
        (x, y), (test_x, test_y) = dataset.val.all(), dataset.test.all()
        with torch.no_grad():
            logits, of_test = network(x), network(test_x)
        assert found["accuracy"] == pytest.approx((logits.argmax(1) == y).double().mean().item())
        assert found["loss"] == pytest.approx(nn.functional.cross_entropy(logits, y).item(), rel=1e-5)
        assert found["accuracy_std"] > 0
        assert tested.pop("test_accuracy") == pytest.approx((of_test.argmax(1) == test_y).double().mean().item())
        assert tested.pop("test_images") == len(dataset.test) == 180
        assert tested == found
        right = Answers.read(found["answers"])
        assert right.images == len(score.dataset.val) <= MOST_KEPT
        assert np.unpackbits(np.frombuffer(right.right, np.uint8)).sum() == round(found["accuracy"] * right.images)


def test_what_travels_is_arrays_and_needs_no_files(trained, score):
    buffers: list[pickle.PickleBuffer] = []
    score(trained.space.smallest())  # what it builds on first use stays at home
    head = cloudpickle.dumps(score, protocol=5, buffer_callback=buffers.append)
    weights = sum(array.nbytes for array in score.weights.values())
    images = score.dataset.val.x.nbytes + score.dataset.train.x.nbytes
    assert sum(buffer.raw().nbytes for buffer in buffers) >= weights + images
    assert len(head) < 0.2 * (weights + images)
    frozen = [bytes(buffer.raw()) for buffer in buffers]  # read-only, as the object store gives them
    again = pickle.loads(head, buffers=frozen)
    arch = trained.space.largest()
    assert again(arch) == score(arch)
    for name, tensor in again._supernet.state_dict().items():  # laid over the buffers, not copied
        assert tensor.data_ptr() == again.weights[name].ctypes.data
    assert not next(iter(again.weights.values())).flags.writeable


def test_only_images_for_batch_norms_are_carried_of_the_training_ones(score):
    assert len(score.dataset.train) <= 1024
    assert score.dataset.val.x.dtype == np.uint8
    assert score.dataset.test is None


@pytest.mark.ray
def test_workers_score_as_this_process_does(trained, score):
    archs = trained.space.sample(4, np.random.default_rng(0))
    with RayExecutor(2) as executor:
        assert [outcome.get() for outcome in executor.map(score, archs)] == [score(arch) for arch in archs]


def test_scores_are_the_same_to_the_bit_in_another_process(trained, score, tmp_path):
    arch = trained.space.largest()
    (tmp_path / "job").write_bytes(pickle.dumps((score, arch)))
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "job")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == score(arch)["loss"].hex()


def test_images_that_lie_on_the_device_give_the_same_score(trained, score):
    """As on a GPU, but on this processor."""
    arch = trained.space.smallest()
    there = replace(score)
    dataset = score.dataset
    there.__dict__["_held"] = replace(dataset, train=hold(dataset.train, CPU), val=hold(dataset.val, CPU))
    assert there(arch) == score(arch)


def test_a_device_that_is_not_here_is_refused(trained):
    if not torch.cuda.is_available():
        with pytest.raises(SettingsError, match="torch finds no GPU here"):
            SupernetScore.of(trained, torch_device="cuda")(trained.space.smallest())


def test_threads_are_given_back(trained, score):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        score(trained.space.smallest())
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_what_cannot_be_scored_is_refused(trained, score, tmp_path):
    with pytest.raises(InvalidArchError):
        score(load_space("autoformer-tiny").smallest())
    shutil.copytree(trained.path, tmp_path / "run", ignore=shutil.ignore_patterns("step-*"))
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        SupernetScore.of(type(trained).open(tmp_path / "run"))
