from __future__ import annotations

import pickle

import cloudpickle
import numpy as np
import pytest

from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.pareto.answers import MOST_KEPT, Answers
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.supernets.evaluation import SubnetScore


@pytest.fixture(scope="module")
def score(trained):
    return SupernetScore.of(trained)


def test_scores_are_those_of_the_run_to_the_bit(trained, score):
    for arch in (trained.space.smallest(), trained.space.largest()):
        found, expected = score(arch), SubnetScore(trained.path)(arch)
        assert [found[name] for name in ("accuracy", "accuracy_std", "loss")] == [
            expected[name] for name in ("accuracy", "accuracy_std", "loss")
        ]
        assert "test_accuracy" in expected
        assert "test_accuracy" not in found
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
