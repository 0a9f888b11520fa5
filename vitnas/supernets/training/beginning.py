"""The first checkpoint of a run, for those who use its supernet before it is trained, or instead."""

from __future__ import annotations

from torch import nn

from vitnas.files import only_here
from vitnas.run import RunFolder
from vitnas.settings import make_settings
from vitnas.supernets.data import dataset_of
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.torch_device import CPU
from vitnas.supernets.training.loop import TrainingLoop
from vitnas.supernets.training.processes.distributed import join_world
from vitnas.supernets.weights.checkpoints import checkpoint_folders
from vitnas.supernets.weights.pretrained import shared_layers, write_weights


def begin(run: RunFolder, network: nn.Module | None = None) -> None:
    """Writes the checkpoint of step 0, from which a training goes on; nothing where the run has one.

    The supernet has the weights that ``[train] init`` gives, in their order. Where its classes are others than those
    of the given network, its head is fitted to the training images.

    Args:
        run: as `start_run` made it.
        network: the largest arch of the run, by site, whose weights are taken instead.
    """
    if checkpoint_folders(run):
        return
    settings = make_settings(TrainSettings, run.config["train"], f"{run.config_file}, [train]")
    with join_world(CPU) as world, only_here(run.path, "training"):
        loop = TrainingLoop(run, settings, dataset_of(run), world, fits_head=True)
        if network is not None:
            arch = run.space.largest()
            given = {site: layer.state_dict() for site, layer in network.named_children()}
            write_weights(shared_layers(loop.net, arch), run.space.lower(arch), given)
            loop.begin_with_weights()
        loop.save()
