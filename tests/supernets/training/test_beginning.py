"""The first checkpoint of a run holds the weights that it was given."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from vitnas.search_spaces import load_space
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.beginning import begin
from vitnas.supernets.training.train import start_run
from vitnas.supernets.weights.checkpoints import load_supernet


@pytest.mark.parametrize("average", [0.0, 0.99])
def test_whoever_reads_it_finds_the_network_that_was_given(tmp_path: Path, average: float) -> None:
    data = DataSettings("digits")
    dataset = load_dataset(data)
    space = load_space("autoformer-mini", dataset.task)
    only, arch = space.alone(space.smallest()), space.smallest()
    network = Supernet(only, seed=7).extract(arch).eval()
    run = start_run(tmp_path / "run", only, data, TrainSettings(steps=3, sampler="single", average=average, loggers=()))
    begin(run, network)
    x = dataset.val.sample(8).all()[0]
    with torch.no_grad():
        assert torch.equal(load_supernet(run).extract(arch).eval()(x), network(x))
