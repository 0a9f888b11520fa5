"""Handwritten digits of 8x8 pixels (UCI, 1998), 1797 of them, that come inside scikit-learn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from vitnas.supernets.data.images import Pixels
from vitnas.supernets.data.splits import Splits


def digits() -> Splits:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = Pixels.of((bunch.images / 16.0)[:, None].astype(np.float32), bunch.target)
    return Splits(replace(images, place="digits"), None, tuple(str(name) for name in bunch.target_names))
