"""Fine-tuning trains the arch alone, by the training of the supernet, from its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.finetuning import finetuned
from vitnas.errors import ExportError
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.supernets.checkpoints import load_supernet
from vitnas.supernets.data import dataset_of, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.train_settings import TrainSettings
from vitnas.supernets.training import start_run, train

SPACE = load_space("autoformer-mini").restrict(width=(48, 64), depth=(3, 4), mlp_ratio=(2.0, 3.0))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    settings = TrainSettings(steps=20, batch_size=64, threads=1, tensorboard=False)
    made = start_run(tmp_path_factory.mktemp("run") / "run", SPACE, "digits", settings)
    train(made, progress=False)
    return made


def test_learns_from_where_the_supernet_stands(run):
    arch = run.space.sample(4, np.random.default_rng(1))[2]
    before = load_supernet(run).extract(arch)
    after = finetuned(run, arch, ExportSettings(finetune=3))
    assert {n: t.shape for n, t in after.state_dict().items()} == {n: t.shape for n, t in before.state_dict().items()}
    weight, first = after.block0_ffn.expand.weight.detach(), before.block0_ffn.expand.weight.detach()
    assert 0 < float((weight - first).norm() / first.norm()) < 0.5
    images = dataset_of(run).val
    assert evaluate(after, images).loss < evaluate(before, images).loss


def test_needs_the_run(tmp_path: Path):
    digits = load_dataset("digits")
    with pytest.raises(ExportError, match="needs the run"):
        export(SPACE, Supernet(SPACE), SPACE.smallest(), digits, tmp_path / "out", ExportSettings(finetune=1))
