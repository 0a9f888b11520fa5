"""Fine-tuning trains the arch alone, by the training of the supernet, from its weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.finetuning import finetuned
from vitnas.errors import ExportError
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.data import dataset_of, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.shared_ranges import at_precisions
from vitnas.supernets.supernet import Supernet, build_network
from vitnas.supernets.tested import read_tested
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.measured_moments import measure_once

SPACE = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3, 4), mlp_ratio=(2.0, 3.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    settings = TrainSettings(steps=20, batch_size=64, threads=1, loggers=())
    made = start_run(tmp_path_factory.mktemp("run") / "run", SPACE, "digits", settings)
    train(made, progress=False)
    return made


@pytest.mark.heavy
def test_learns_from_where_the_supernet_stands(run):
    arch = run.space.sample(4, np.random.default_rng(1))[2]
    before = load_supernet(run).extract(arch)
    after = finetuned(run, arch, ExportSettings(finetune=3))
    assert {n: t.shape for n, t in after.state_dict().items()} == {n: t.shape for n, t in before.state_dict().items()}
    weight, first = after.block0_ffn.expand.weight.detach(), before.block0_ffn.expand.weight.detach()
    assert 0 < float((weight - first).norm() / first.norm()) < 0.5
    images = dataset_of(run).val
    assert evaluate(after, images).loss < evaluate(before, images).loss


@pytest.mark.heavy
def test_before_and_after_are_two_measurements_on_the_same_images(run, tmp_path):
    dataset = dataset_of(run)
    arch = run.space.sample(4, np.random.default_rng(1))[2]
    settings = ExportSettings(finetune=3, verify_images=30, measure=False)
    report = export(run.space, load_supernet(run), arch, dataset, tmp_path / "out", settings, run=run)
    told = report["accuracy"]
    assert told["shared"] == evaluate(load_supernet(run).extract(arch), dataset.val).accuracy
    network = build_network(run.space.lower(arch))
    network.load_state_dict(load_file(tmp_path / "out" / "weights.safetensors"))
    assert told["exported"] == evaluate(network, dataset.val).accuracy
    assert told["exported"] > told["shared"]
    assert told["num_images"] == told["out_of"] == len(dataset.val)
    (tested,) = read_tested(run)
    assert (tested.arch_id, tested.weights) == (arch.id, "exported, 3 epochs by itself")
    assert tested.value == evaluate(network, dataset.test).accuracy


@pytest.mark.heavy
def test_a_rate_that_is_given_holds(run):
    """Ten times slower goes about a tenth as far; the averages of weights that hardly move hardly move."""
    arch = run.space.sample(4, np.random.default_rng(1))[2]
    before = load_supernet(run).extract(arch).block0_ffn.expand.weight.detach()
    usual = TrainSettings().learning_rate
    far = [
        float((finetuned(run, arch, settings).block0_ffn.expand.weight.detach() - before).norm())
        for settings in (
            ExportSettings(finetune=1),
            *(ExportSettings(finetune=1, finetune_rate=r) for r in (usual, usual / 10)),
        )
    ]
    assert far[0] == far[1]
    assert 0.05 < far[2] / far[1] < 0.2


@pytest.mark.heavy
def test_it_is_a_training_of_the_arch_alone_with_averaged_weights(run, tmp_path):
    """The same, written out, from the weights of the run to the same bits."""
    arch = run.space.sample(4, np.random.default_rng(1))[2]
    settings = TrainSettings(
        epochs=1, batch_size=64, threads=1, loggers=(), init=str(run.path), sampler="single", average=0.99
    )
    alone = start_run(tmp_path / "alone", run.space.alone(arch), "digits", settings)
    train(alone, progress=False)
    wanted = load_supernet(alone).extract(arch).state_dict()
    given = finetuned(run, arch, ExportSettings(finetune=1)).state_dict()
    assert all(torch.equal(given[name], wanted[name]) for name in wanted)


@pytest.mark.heavy
def test_of_a_run_that_compensates_it_begins_with_the_compensated_weights(run, tmp_path):
    """At a rate of next to nothing it hands out what it began with."""
    shutil.copytree(run.path, tmp_path / "run")
    own = RunFolder.open(tmp_path / "run")
    measure_once(own, 0, lambda text: None)
    arch = own.space.smallest()
    plain, compensated = (load_supernet(one).extract(arch).state_dict() for one in (run, own))
    given = finetuned(own, arch, ExportSettings(finetune=1, finetune_rate=1e-9)).state_dict()
    product = "block0_ffn.reduce.weight"
    assert float((compensated[product] - plain[product]).abs().max()) > 1e-3
    for name, tensor in given.items():
        torch.testing.assert_close(tensor, compensated[name], rtol=1e-4, atol=1e-5)


def test_needs_the_run(tmp_path: Path):
    digits = load_dataset("digits")
    with pytest.raises(ExportError, match="needs the run"):
        export(SPACE, Supernet(SPACE), SPACE.smallest(), digits, tmp_path / "out", ExportSettings(finetune=1))


@pytest.mark.heavy
def test_a_compressed_arch_learns_what_it_will_be_rounded_to(run):
    space = run.space.compressed(("w3a4",), keep=())
    arch = space.compress(run.space.largest(), "w3a4")
    dataset, blueprint = dataset_of(run), space.lower(arch)
    losses = []
    for learning in (None, space):
        plain = space.plain(arch) if learning is None else arch
        network = finetuned(run, plain, ExportSettings(finetune=4), space=learning).eval()
        losses.append(evaluate(at_precisions(network, blueprint, dataset.train), dataset.val).loss)
    before = at_precisions(load_supernet(run).extract(space.plain(arch)).eval(), blueprint, dataset.train)
    assert losses[1] < losses[0]
    assert losses[1] < evaluate(before, dataset.val).loss
