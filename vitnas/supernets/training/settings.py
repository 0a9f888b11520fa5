"""The settings of supernet training: table [train] of a settings file."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from vitnas.errors import SettingsError, suggest
from vitnas.supernets.augment import Augment
from vitnas.supernets.experts import ExpertSettings
from vitnas.supernets.resolution import Resolution
from vitnas.supernets.training.optimizer import OPTIMIZERS
from vitnas.supernets.training.samplers import read_options
from vitnas.supernets.training.teachers.settings import Distil


@dataclass(frozen=True)
class TrainSettings:
    """How a supernet is trained. The defaults suit small images and small spaces.

    Attributes:
        epochs: passes over the training images.
        steps: stop after so many steps; overrides `epochs`.
        batch_size: images a step, over all workers.
        accumulate: a step adds up the gradients of so many equal shares of its batch, to need less memory.
        init: where the first weights come from, such as timm:deit_tiny_patch16_224 or a file; None draws them.
        optimizer: adamw, nadam, radam or sgd.
        learning_rate: at its peak, after the warm-up; falls along a cosine.
        final_learning_rate: where the cosine ends.
        warmup: share of the steps in which the learning rate rises linearly from zero.
        weight_decay: on weight matrices only.
        label_smoothing: for archs that learn from labels.
        clip_norm: largest norm of the gradient of a step; 0 leaves it as it is.
        drop_path: stochastic depth of the largest arch at its last layer; less for archs that are less deep.
        average: decay of the running average of the weights that a run is judged by; 0 keeps none.
        sharpness: radius of sharpness-aware steps, such as 0.05; 0 takes plain ones, at half the cost.
        sampler: which archs a step sees.
        sampler_options: options of the sampler, as docs/samplers.md lists them.
        own_archs: whether every worker draws archs of its own; samplers that must agree do so anyway.
        conflict: "sum" adds up the gradients of the lessons; "project" first takes from those of the teachers
            what opposes those of the pupils (NASViT).
        augment: how images are changed, table [train.augment].
        distil: an outside network that teaches beside the labels, table [train.distil].
        resolution: the sizes at which images are seen, table [train.resolution].
        experts: feed-forward layers as several that are averaged, table [train.experts].
        precision: fp32, bf16 or fp16; the last with scaled losses, for GPUs only.
        compile: whether torch.compile takes the smallest and the largest arch, which samplers repeat; needs a
            C++ compiler, and minutes before the first step.
        channels_last: memory layout that suits convolutions on some processors and GPUs.
        seed: of the first weights, the batches and the archs.
        threads: of the processor, for all workers of a machine together; None takes what torch takes.
        loader_threads: that read images ahead.
        torch_device: where to train, "cpu" or "cuda".
        log_every: steps between two lines in metrics.jsonl.
        evaluate_every: steps between two looks at the smallest, middle and largest arch.
        checkpoint_every: steps between two checkpoints; the last three of them are kept.
        checkpoint_minutes: after so long without a checkpoint there is one in between, kept until the next; 0 makes none.
        max_bad_steps: give up after so many steps in a row without a finite loss and gradient.
        tensorboard: whether to write events for TensorBoard as well, where it is installed.
    """

    epochs: int = 20
    steps: int | None = None
    batch_size: int = 64
    accumulate: int = 1
    init: str | None = None
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    final_learning_rate: float = 0.0
    warmup: float = 0.05
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    clip_norm: float = 1.0
    drop_path: float = 0.0
    average: float = 0.0
    sharpness: float = 0.0
    sampler: str = "sandwich"
    sampler_options: dict[str, Any] = field(default_factory=dict)
    own_archs: bool = False
    conflict: Literal["sum", "project"] = "sum"
    augment: Augment = field(default_factory=Augment)
    distil: Distil = field(default_factory=Distil)
    resolution: Resolution = field(default_factory=Resolution)
    experts: ExpertSettings = field(default_factory=ExpertSettings)
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    compile: bool = False
    channels_last: bool = False
    seed: int = 0
    threads: int | None = None
    loader_threads: int = 2
    torch_device: str = "cpu"
    log_every: int = 10
    evaluate_every: int = 100
    checkpoint_every: int = 100
    checkpoint_minutes: float = 5.0
    max_bad_steps: int = 20
    tensorboard: bool = True

    def __post_init__(self) -> None:
        counts = ("epochs", "batch_size", "accumulate", "loader_threads", "log_every", "evaluate_every")
        for name in (*counts, "checkpoint_every", "max_bad_steps"):
            self._demand(name, getattr(self, name) >= 1, "at least 1")
        self._demand("steps", self.steps is None or self.steps >= 1, "at least 1, or left out to use 'epochs'")
        self._demand("threads", self.threads is None or self.threads >= 1, "at least 1, or left out to use all cores")
        self._demand("seed", self.seed >= 0, "0 or more")
        self._demand("learning_rate", 0 < self.learning_rate < math.inf, "more than 0, such as 1e-3")
        final = 0 <= self.final_learning_rate <= self.learning_rate
        self._demand("final_learning_rate", final, "from 0 to learning_rate")
        for name in ("weight_decay", "clip_norm", "sharpness", "checkpoint_minutes"):
            self._demand(name, 0 <= getattr(self, name) < math.inf, "0 or more")
        for name in ("warmup", "label_smoothing", "drop_path", "average"):
            self._demand(name, 0 <= getattr(self, name) < 1, "a share: 0 or more and less than 1")
        if self.optimizer not in OPTIMIZERS:
            raise SettingsError(
                f"[train] optimizer: none is named '{self.optimizer}'; {suggest(self.optimizer, OPTIMIZERS)}"
            )
        read_options(self.sampler, self.sampler_options)
        kind = self.torch_device.partition(":")[0]
        self._demand("torch_device", kind in ("cpu", "cuda"), "'cpu', 'cuda' or 'cuda:1'")
        plain = not self.drop_path and self.experts.num == 1 and self.resolution == Resolution()
        self._demand(
            "compile", plain or not self.compile, "false with drop_path, [train.experts] or [train.resolution]"
        )
        half_here = self.precision != "fp16" or kind == "cuda"
        self._demand("precision", half_here, 'fp32 or bf16 on a processor; fp16 is for torch_device = "cuda"')

    def _demand(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise SettingsError(f"[train] {name} must be {rule}; got {getattr(self, name)!r}, change it")
