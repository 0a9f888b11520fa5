"""Whether a run that gives first weights, or teaches, has learnt from what is to be the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vitnas.run import RunFolder
from vitnas.search_spaces import is_given_name
from vitnas.search_spaces.pruned.given_names import split_given
from vitnas.search_spaces.recorded import run_around
from vitnas.supernets.data import Dataset, DataSettings, data_settings_of, load_dataset
from vitnas.supernets.settings.train import TrainSettings


def warning_of_seen(dataset: Dataset, resolved: DataSettings, settings: TrainSettings) -> str | None:
    """One line on the first run that has; None where none is known to.

    Args:
        dataset: of the training to come.
        resolved: the settings that find it from anywhere.
        settings: of that training, which name its first weights and its teacher.
    """
    test = dataset.test
    if test is None or test.labels is not dataset.train.labels:
        return None  # a test of a place of its own
    for run in _runs(settings):
        told = data_settings_of(run)
        if told.name != resolved.name:
            continue
        other = load_dataset(told)
        if not np.array_equal(other.train.labels, test.labels):
            continue
        both = len(np.intersect1d(other.train.rows, test.rows))
        if both:
            return (
                f"{both} of {len(test)} test images of '{dataset.name}' were learnt from by run '{run.path}', so the accuracy on "
                f"them will be too high; give [data] test_share = {told.test_share:g} and seed = {told.seed} as that run has "
                f"them, or name other test images with --test"
            )
    return None


def _runs(settings: TrainSettings) -> Iterator[RunFolder]:
    kind, _, rest = (settings.distil.teacher or "").partition(":")
    init = settings.init or ""
    places = [*(split_given(init) if is_given_name(init) else [init]), rest.partition("@")[0] if kind == "run" else ""]
    for path in map(Path, filter(None, places)):
        if not path.exists():
            continue
        folder = path if (path / "config.toml").is_file() else run_around(path)  # a run, or what lies in one
        if folder is not None:
            yield RunFolder(folder)
