"""Where training begins with weights that were given: everything that follows the shared weights begins with them too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from vitnas.files import write_json
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.settings import make_settings
from vitnas.supernets.data import dataset_of
from vitnas.supernets.settings.experts import ExpertSettings
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import build_network
from vitnas.supernets.training.beginning import begin
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.weights.checkpoints import load_supernet

MakeRun = Callable[..., RunFolder]


def test_experts_begin_as_copies_of_the_weights_that_init_gives(
    tmp_path: Path, small_space: SearchSpace, small_run: MakeRun
) -> None:
    torch.manual_seed(5)
    arch = small_space.largest()
    write_json(tmp_path / "arch.json", arch.to_json())
    save_file(build_network(small_space.lower(arch)).state_dict(), tmp_path / "weights.safetensors")
    run = small_run(tmp_path / "run", init=str(tmp_path), init_order="dimap", experts=ExpertSettings(num=2))
    settings = make_settings(TrainSettings, run.config["train"], "here")
    net = TrainingLoop(run, settings, dataset_of(run), World()).net
    assert net.experts is not None
    assert len(net.experts.copies) == 3
    for name, copies in net.experts.copies.items():
        for expert in copies:  # type: ignore[union-attr]
            for own, shared in zip(expert.parameters(), net.layers[name].parameters(), strict=True):
                assert torch.equal(own, shared), name


@pytest.mark.parametrize(("average", "experts"), [(0.0, 1), (0.99, 1), (0.99, 2)])
def test_a_network_that_is_handed_over_is_what_the_first_checkpoint_holds(
    tmp_path: Path, small_space: SearchSpace, small_run: MakeRun, average: float, experts: int
) -> None:
    """Its average too, which is what a run hands out."""
    torch.manual_seed(5)
    arch = small_space.largest()
    network = build_network(small_space.lower(arch))
    run = small_run(tmp_path / "run", average=average, experts=ExpertSettings(num=experts))
    begin(run, network)
    held = load_supernet(run).extract(arch).state_dict()
    assert all(torch.equal(held[name], tensor) for name, tensor in network.state_dict().items())
