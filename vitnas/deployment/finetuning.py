"""Fine-tuning: the training of the supernet over again, with the arch to export as the only one that learns."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from vitnas.deployment.settings import ExportSettings
from vitnas.files.temporary import temporary_folder
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.settings import make_settings
from vitnas.supernets.data import data_settings_of
from vitnas.supernets.settings.distil import Distil
from vitnas.supernets.settings.experts import ExpertSettings
from vitnas.supernets.settings.resolution import Resolution
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.alone import AVERAGE, NEVER
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet


def finetuned(
    run: RunFolder, arch: Arch, settings: ExportSettings, progress: bool = False, space: SearchSpace | None = None
) -> nn.Module:
    """The network of an arch, trained on from the weights of a run for `settings.finetune` epochs.

    The settings of the run hold, but for the sampler and what only a supernet needs. The weights are averaged, as in every
    training of one network alone, and the rate is that of the run: after a tenth of the steps a lower one looks better and
    at the end it is worse, so a short trial of several rates would choose the wrong one (docs/export.md has the figures).

    Args:
        run: with the weights, and the settings of its training.
        arch: to export.
        settings: for how long, how fast, and who teaches.
        progress: shows a bar on stderr.
        space: of the arch: by default the run's. In a compressed one over that, layers are rounded in every step as they will be
            where they run; the network that comes back is in float, and is rounded by whoever exports it.
    """
    tables = run.config
    told = make_settings(TrainSettings, tables["train"], f"{run.config_file}, [train]")
    data = data_settings_of(run)
    rate = settings.finetune_rate or told.learning_rate
    with temporary_folder() as folder:
        one = replace(
            told,
            epochs=settings.finetune,
            steps=None,
            init=str(run.path.resolve()),
            learning_rate=rate,
            final_learning_rate=told.final_learning_rate * rate / told.learning_rate,
            average=told.average or AVERAGE,
            evaluate_every=NEVER,
            checkpoint_every=NEVER,
            sampler="single",
            sampler_options={},
            conflict="sum",
            distil=Distil()
            if settings.teacher is None
            else replace(told.distil, teacher=settings.teacher, logits=None),
            resolution=Resolution(),
            experts=ExpertSettings(),
            compile=False,
            torch_device=settings.torch_device,
            loggers=(),
        )
        only = start_run(folder / "run", (space or run.space).alone(arch), data, one)
        train(only, progress)
        return load_supernet(only).extract(arch)
