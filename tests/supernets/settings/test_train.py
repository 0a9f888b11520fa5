from __future__ import annotations

from typing import Any

import pytest

from vitnas.errors import SettingsError
from vitnas.settings import make_settings
from vitnas.supernets.settings.train import TrainSettings


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epochs": 0}, r"^file.toml, \[train\] epochs must be at least 1; got 0, change it$"),
        ({"steps": 0}, "steps must be at least 1, or left out; got 0"),
        ({"batch_size": -4}, "batch_size must be at least 1; got -4"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"sampler_options": {"num_arch": 1}}, "'multi' has no option 'num_arch'.*Did you mean 'num_archs'"),
        ({"learning_rate": 0.0}, "learning_rate must be more than 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be more than 0"),
        ({"weight_decay": -0.1}, "weight_decay must be at least 0"),
        ({"warmup": 1.0}, "warmup must be at least 0 and less than 1"),
        ({"label_smoothing": 1.5}, "label_smoothing must be at least 0 and less than 1"),
        ({"sampler": "sandwhich"}, "Did you mean 'sandwich'"),
        ({"torch_device": "tpu"}, "torch_device must be text such as 'cuda:1'"),
        ({"batchsize": 4}, "unknown key 'batchsize'.*Did you mean 'batch_size'"),
        ({"epochs": "ten"}, "epochs must be a whole number; got 'ten'"),
        (
            {"optimizer": "nadm"},
            r"\[train\] optimizer cannot be 'nadm'; have \[adamw, nadam, radam, sgd\]. Did you mean 'nadam'",
        ),
        ({"augment": {"flip": 2.0}}, r"^file.toml, \[train.augment\] flip must be from 0 to 1; got 2.0"),
        ({"augment": {"flop": 0.5}}, r"^file.toml, \[train.augment\]: unknown key 'flop'.*Did you mean 'flip'"),
        ({"final_learning_rate": 0.1}, r"^file.toml, \[train\] final_learning_rate must be at most learning_rate"),
        (
            {"resolution": {"progressive": [[0.5, 0.5]]}},
            r"\[train.resolution\] progressive\[0\]\[1\] must be at least 1",
        ),
        ({"resolution": {"progressive": [[0.5]]}}, "Expected `array` of length 2"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_settings(TrainSettings, values, "file.toml, [train]")
