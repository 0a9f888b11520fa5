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
from vitnas.nas.early import AT_MOST, SEEN
from vitnas.nas.evaluator import Evaluator
from vitnas.nas.execution.executor import SerialExecutor
from vitnas.nas.execution.ray import RayExecutor
from vitnas.nas.execution.together import UnlessBeaten
from vitnas.nas.objectives import objectives_named
from vitnas.nas.pareto.answers import MOST_KEPT, Answers
from vitnas.nas.problem import Problem
from vitnas.nas.records import EvaluationBar
from vitnas.nas.scores.supernet import TOGETHER, SupernetScore
from vitnas.nas.study import Study, database
from vitnas.search_spaces import load_space
from vitnas.supernets.data import Images, dataset_of
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
@pytest.mark.slow
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


class Counted(Images):
    """Images that lie somewhere, whose readings are counted."""

    def __init__(self, images):
        for name in ("labels", "rows", "image_size", "channels", "mean", "std"):
            object.__setattr__(self, name, getattr(images, name))
        object.__setattr__(self, "images", images)
        object.__setattr__(self, "read", [])

    def pixels(self, indices):
        self.read.extend(indices)
        return self.images.pixels(indices)


def test_images_that_are_not_carried_are_read_once_for_several_archs(trained, score):
    counted = Counted(score.dataset.val)
    streaming = replace(score, dataset=replace(score.dataset, val=counted))
    archs = trained.space.sample(5, np.random.default_rng(0))
    assert (score.at_once, streaming.at_once) == (1, TOGETHER)
    assert streaming.together(archs) == [score(arch) for arch in archs]
    assert sorted(counted.read) == list(range(len(counted)))


def test_an_arch_that_cannot_matter_any_more_is_stopped(trained, score):
    """The others get the figures that they get alone."""
    images = score.dataset.val
    repeated = replace(score, dataset=replace(score.dataset, val=images.only(np.arange(600) % len(images))))
    archs = trained.space.sample(3, np.random.default_rng(0))
    alone = [repeated(arch) for arch in archs]
    assert max(one["accuracy"] for one in alone) < 0.9
    first, second, third = repeated.unless_beaten([(archs[0], 0.0), (archs[1], 1.0), (archs[2], alone[2]["accuracy"])])
    assert (first, third) == (alone[0], alone[2])
    assert set(second) == {AT_MOST, SEEN}
    assert second[SEEN] < 600
    assert alone[1]["accuracy"] <= second[AT_MOST] < 1.0
    assert pickle.loads(cloudpickle.dumps(UnlessBeaten(repeated)))((archs[1], 1.0)) == second  # as on a worker


def test_archs_that_fail_together_are_evaluated_by_themselves(trained, score, tmp_path):
    """So that one that cannot be evaluated takes no other with it."""
    good = trained.space.sample(3, np.random.default_rng(0))
    bad = next(arch for arch in trained.space.sample(40, np.random.default_rng(1)) if arch not in good)

    class Failing(SupernetScore):
        at_once = 2

        def together(self, archs):
            if bad in archs:
                raise RuntimeError("out of memory")
            return super().together(archs)

    failing = Failing(score.space, score.weights, score.dataset)
    problem = Problem(trained.space, objectives_named(["accuracy"]))
    study = Study(trained.space, problem.objectives, database(tmp_path), "a", {})
    with EvaluationBar(False, 4) as bar:
        evaluator = Evaluator(problem, failing, study, SerialExecutor(), bar)
        codes, _ = evaluator(trained.space.encode([good[0], bad, *good[1:]]))
    assert trained.space.decode(codes) == good
    assert evaluator.failed == 1
    assert {one.arch: one.metrics["loss"] for one in study if one.error is None} == {a: score(a)["loss"] for a in good}


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
