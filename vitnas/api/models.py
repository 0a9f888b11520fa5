"""Networks as plain PyTorch modules: cut out of a supernet, fresh, or as they were exported."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from vitnas.api.archs import OneArch
from vitnas.api.loading import Source, load_arch, source_of
from vitnas.api.telling import teller
from vitnas.deployment.extraction import extract
from vitnas.supernets.data import dataset_of
from vitnas.supernets.supernet import build_network
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.exported import read_report, rebuild


def create_model(source: Source | None, arch: OneArch, *, progress: bool = False) -> nn.Module:
    """The network of an arch as a plain module that shares nothing.

    Args:
        source: a run, whose newest weights the network gets, with batch-norm statistics of its own, in evaluation
            mode; or a space, whose network comes with fresh weights, ready to be trained. None takes the newest run
            below ``runs/``.
        arch: the arch, its file, its published name, "smallest" or "largest".
        progress: prints what is said to standard error.
    """
    run, space = source_of(source, teller(progress))
    chosen = load_arch(space, arch)
    if run is None:
        return build_network(space.lower(chosen))
    dataset = dataset_of(run)
    network, _ = extract(space, load_supernet(run), chosen, dataset.train, dataset.val)
    return network


def load_model(folder: str | Path) -> nn.Module:
    """The network of an export as a plain module with its weights, in evaluation mode.

    Args:
        folder: of one network, as `export` writes it.
    """
    path = Path(folder)
    return rebuild(path, read_report(path))[1]
