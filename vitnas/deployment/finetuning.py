"""Fine-tuning: the training of the supernet over again, with the arch to export as the only one that learns."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from vitnas.deployment.settings import ExportSettings
from vitnas.files.temporary import temporary_folder
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch
from vitnas.settings import make_settings
from vitnas.supernets.data import data_settings_of
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.settings.experts import ExpertSettings
from vitnas.supernets.settings.resolution import Resolution
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

SLOWER = 0.1
"""Share of the run's learning rate: the weights are good already."""


def finetuned(run: RunFolder, arch: Arch, settings: ExportSettings, progress: bool = False) -> nn.Module:
    """The network of an arch, trained on from the weights of a run for `settings.finetune` epochs.

    The settings of the run hold, but for the sampler, what only a supernet needs, and a learning rate a tenth as high.
    """
    tables = run.config
    told = make_settings(TrainSettings, tables["train"], f"{run.config_file}, [train]")
    data = data_settings_of(run)
    with temporary_folder() as folder:
        one = replace(
            told,
            epochs=settings.finetune,
            steps=None,
            init=str(run.path.resolve()),
            learning_rate=SLOWER * told.learning_rate,
            final_learning_rate=SLOWER * told.final_learning_rate,
            sampler="single",
            sampler_options={},
            conflict="sum",
            distil=Distil()
            if settings.teacher is None
            else replace(told.distil, teacher=settings.teacher, logits=None),
            resolution=Resolution(),
            experts=ExpertSettings(),
            compile=False,
            tensorboard=False,
        )
        only = start_run(folder / "run", run.space.alone(arch), data, one)
        train(only, progress)
        return load_supernet(only).extract(arch)
