"""The moments of a run, measured once."""

from __future__ import annotations

from collections.abc import Callable

from vitnas.run import RunFolder
from vitnas.supernets.data import dataset_of
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.compensated import save_compensation


def measure_once(run: RunFolder, seed: int, say: Callable[[str], None]) -> None:
    """Looks at training images, unless it was done: from then on the archs of the run are compensated for what they lack."""
    if run.moments_file.exists():
        return
    net = load_supernet(run)
    found = measure_moments(net, dataset_of(run).train, seed=seed)
    save_compensation(run, net, found)
    say(f"archs are compensated for what they lack, by {found.num_images} images: '{run.moments_file}'")
