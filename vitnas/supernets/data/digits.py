"""Handwritten digits of 8x8 pixels (UCI, 1998), 1797 of them, that come inside scikit-learn."""

from __future__ import annotations

import numpy as np

from vitnas.supernets.data.images import Dataset


def digits() -> Dataset:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    return Dataset.from_pixels("digits", (bunch.images / 16.0)[:, None].astype(np.float32), bunch.target)
