"""The images on which an export measures ranges of activations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vitnas.deployment.settings import ExportSettings
from vitnas.errors import ExportError
from vitnas.supernets.data import Dataset
from vitnas.supernets.data.decoding import EXTENSIONS, UnreadableError, decode
from vitnas.supernets.data.formats.folders import image_names
from vitnas.supernets.data.strata import drawn


def calibration_images(settings: ExportSettings, dataset: Dataset) -> Tensor:
    """Images (N, C, H, W) as networks take them, in a mixed order: of the training, or of the folder that settings name."""
    if settings.calibration is None:
        return dataset.train.sample(settings.calibration_images).shuffled().all()[0]
    folder = Path(settings.calibration)
    files = [folder / name for name in image_names(folder)]
    _, parents = np.unique([str(path.parent) for path in files], return_inverse=True)
    found = []
    for file in (files[place] for place in drawn(parents, settings.calibration_images, seed=0)):
        try:
            size, channels = dataset.task.image_size, dataset.task.in_channels
            found.append(decode(file.read_bytes(), size, channels, fit=dataset.division.fit))
        except (UnreadableError, OSError):
            continue
    if len(found) < 2:
        raise ExportError(
            f"calibration folder '{folder}' holds {len(found)} images that can be read ({', '.join(EXTENSIONS)}), and "
            "ranges need 2 or more; name another folder, or leave it out to take training images"
        )
    return dataset.train.normalise(torch.from_numpy(np.stack(found)).float() / 255)
