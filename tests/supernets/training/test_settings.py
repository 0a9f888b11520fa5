from __future__ import annotations

from typing import Any

import pytest

from vitnas.errors import SettingsError
from vitnas.settings import make_settings
from vitnas.supernets.training.settings import TrainSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, r"\[train\] epochs must be at least 1; got 0"),
        ({"steps": 0}, "steps must be at least 1"),
        ({"batch_size": -4}, "batch_size must be at least 1; got -4"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"seed": -1}, "seed must be 0 or more"),
        ({"sampler_options": {"num_rnd": 1}}, "no option 'num_rnd'.*Did you mean 'num_random'"),
        ({"learning_rate": 0.0}, "learning_rate must be more than 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be more than 0"),
        ({"weight_decay": -0.1}, "weight_decay must be 0 or more"),
        ({"warmup": 1.0}, "warmup must be a share"),
        ({"label_smoothing": 1.5}, "label_smoothing must be a share"),
        ({"sampler": "sandwhich"}, "Did you mean 'sandwich'"),
        ({"torch_device": "tpu"}, "torch_device must be 'cpu', 'cuda'"),
        ({"batchsize": 4}, "unknown key 'batchsize'.*Did you mean 'batch_size'"),
        ({"epochs": "ten"}, "Expected `int`"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_settings(TrainSettings, values, "file.toml, [train]")
