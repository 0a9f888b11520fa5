"""Resuming with other means than a run began with: what may change, and what that does to the bits."""

from __future__ import annotations

from dataclasses import asdict

import torch

from vitnas.files import only_here
from vitnas.run import RunFolder
from vitnas.settings import make_settings
from vitnas.supernets.settings.train import LoaderName, TrainSettings
from vitnas.supernets.torch_device import find_device
from vitnas.supernets.weights.checkpoints import checkpoint_folders, made_by


def change_means(
    run: RunFolder, threads: int | None, loader_threads: int | None, loader: LoaderName | None = None
) -> None:
    """Records other threads, or processes that read, in the settings of a run, of which they change nothing that is learnt."""
    given: dict[str, int | str | None] = {"threads": threads, "loader_threads": loader_threads, "loader": loader}
    wanted = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        return
    where = f"{run.config_file}, [train]"
    settings = make_settings(TrainSettings, run.config.get("train", {}) | wanted, where)
    with only_here(run.path, "training"):
        run.save_config({"train": asdict(settings)})


def other_bits(run: RunFolder, processes: int) -> str | None:
    """What a training that goes on with so many processes is told, if it will not end with the bits of an undisturbed one."""
    before = made_by(run)
    settings = make_settings(TrainSettings, run.config.get("train", {}), f"{run.config_file}, [train]")
    on_gpu = find_device(settings.torch_device, "[train] torch_device").type != "cpu"
    now = {
        "processes": processes,
        "gpus": processes if on_gpu else 0,
        "threads": max(1, (settings.threads or torch.get_num_threads()) // processes),
    }
    changed = [
        f"{name}: {before[name]} before, {count} now" for name, count in now.items() if before.get(name, count) != count
    ]
    if not changed:
        return None
    return f"{'; '.join(changed)}. Sums are rounded in another order, so the weights will agree to rounding, not to the bit"


def kept(run: RunFolder) -> str:
    """What is left of a training that was stopped, and how to go on."""
    folders = checkpoint_folders(run)
    there = f"step {int(folders[-1].name.removeprefix('step-'))} is saved" if folders else "no step is saved yet"
    return f"{there}; go on with `vitnas train-supernet --resume {run.path}`"


__all__ = ["change_means", "kept", "other_bits"]
