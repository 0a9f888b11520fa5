"""The settings of supernet training: table [train] of a settings file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from vitnas.errors import SettingsError
from vitnas.supernets.samplers import read_options


@dataclass(frozen=True)
class TrainSettings:
    """How a supernet is trained. The defaults suit small images and small spaces.

    Attributes:
        epochs: passes over the training images.
        steps: stop after so many steps; overrides `epochs`.
        batch_size: images a step.
        learning_rate: at its peak, after the warm-up; falls to zero along a cosine.
        warmup: share of the steps in which the learning rate rises linearly from zero.
        weight_decay: of AdamW, on weight matrices only.
        label_smoothing: for archs that learn from labels.
        clip_norm: largest norm of the gradient of a step; 0 leaves it as it is.
        sampler: which archs a step sees.
        sampler_options: options of the sampler, as docs/samplers.md lists them.
        seed: of the first weights, the batches and the archs.
        threads: of the processor; None takes what torch takes.
        torch_device: where to train, "cpu" or "cuda".
        log_every: steps between two lines in metrics.jsonl.
        evaluate_every: steps between two looks at the smallest and largest arch.
        checkpoint_every: steps between two checkpoints.
        max_bad_steps: give up after so many steps in a row without a finite loss and gradient.
        tensorboard: whether to write events for TensorBoard as well.
    """

    epochs: int = 20
    steps: int | None = None
    batch_size: int = 64
    learning_rate: float = 2e-3
    warmup: float = 0.05
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    sampler: str = "sandwich"
    sampler_options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int | None = None
    torch_device: str = "cpu"
    log_every: int = 10
    evaluate_every: int = 100
    checkpoint_every: int = 100
    max_bad_steps: int = 20
    tensorboard: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "log_every", "evaluate_every", "checkpoint_every", "max_bad_steps"):
            self._demand(name, getattr(self, name) >= 1, "at least 1")
        self._demand("steps", self.steps is None or self.steps >= 1, "at least 1, or left out to use 'epochs'")
        self._demand("threads", self.threads is None or self.threads >= 1, "at least 1, or left out to use all cores")
        self._demand("seed", self.seed >= 0, "0 or more")
        self._demand("learning_rate", 0 < self.learning_rate < math.inf, "more than 0, such as 1e-3")
        for name in ("weight_decay", "clip_norm"):
            self._demand(name, 0 <= getattr(self, name) < math.inf, "0 or more")
        for name in ("warmup", "label_smoothing"):
            self._demand(name, 0 <= getattr(self, name) < 1, "a share: 0 or more and less than 1")
        read_options(self.sampler, self.sampler_options)
        kind = self.torch_device.partition(":")[0]
        self._demand("torch_device", kind in ("cpu", "cuda"), "'cpu', 'cuda' or 'cuda:1'")

    def _demand(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise SettingsError(f"[train] {name} must be {rule}; got {getattr(self, name)!r}, change it")
