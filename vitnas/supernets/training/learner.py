"""Learner: makes one update of the shared weights out of the lessons of a step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from vitnas.search_spaces import Arch
from vitnas.supernets.goals.pursuit import ONE_CLASS, Pursuit
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.compiled import CompiledArchs
from vitnas.supernets.training.gradient_conflict import combine, split
from vitnas.supernets.training.lessons import Batch, Marks, take_lessons
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.sam import climb
from vitnas.supernets.training.samplers import Lesson


@dataclass(frozen=True)
class StepOutcome:
    """What became of a step.

    Attributes:
        marks: of its lessons, the mean over all ranks.
        norm: of the gradient before it was clipped.
        updated: false when a loss or the gradient was not finite, and the weights stayed as they were.
    """

    marks: Marks
    norm: float
    updated: bool


class Learner:
    """Gradients, their norm and the update, in the precision and with the regularisers of the settings."""

    def __init__(
        self,
        net: Supernet,
        optimizer: torch.optim.Optimizer,
        settings: TrainSettings,
        world: World,
        pursuit: Pursuit = ONE_CLASS,
    ) -> None:
        self.net = net
        self.optimizer = optimizer
        self.settings = settings
        self.world = world
        self.pursuit = pursuit
        self.parameters = [p for p in net.parameters() if p.requires_grad]
        kind = world.device.type
        low = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(settings.precision)
        self._autocast = torch.autocast(kind, low) if low else nullcontext()
        ends = (net.space.smallest(), net.space.largest())
        self._compiled = CompiledArchs(net, ends) if settings.compile else None
        self._scaler = torch.amp.GradScaler(kind, enabled=settings.precision == "fp16")

    def learn(self, lessons: Sequence[Lesson], batches: Sequence[Batch], seed: int, **how: Any) -> StepOutcome:
        """One step.

        Args:
            lessons: of the step, teachers first.
            batches: this rank's images in equal shares; gradients are added up over them.
            seed: of what layers draw; the same for the two looks of a sharpness-aware step.
            how: further arguments of the supernet's forward.
        """
        marks = self._gradients(lessons, batches, seed, how)
        if self.settings.sharpness and all(map(math.isfinite, marks.losses)):
            undo = climb(self.parameters, self.settings.sharpness)
            self._gradients(lessons, batches, seed, how)
            undo()
        self._scaler.unscale_(self.optimizer)
        norm = float(nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm or math.inf))
        updated = math.isfinite(norm) and all(map(math.isfinite, marks.losses))
        if updated:
            self._scaler.step(self.optimizer)
        self._scaler.update()
        return StepOutcome(marks, norm, updated)

    @torch.no_grad()
    def label_losses(self, archs: Sequence[Arch], batches: Sequence[Batch], **how: Any) -> dict[Arch, float]:
        """The loss of each arch from the truths alone, without learning."""
        loss = self.pursuit.goal.truth_loss
        losses = [sum(float(loss(self._forward(b.x, arch, **how).float(), b.y)) for b in batches) for arch in archs]
        return dict(zip(archs, self.world.mean([loss / len(batches) for loss in losses]), strict=True))

    def state(self) -> dict[str, Any]:
        """The scale of half-precision losses, as plain JSON."""
        return self._scaler.state_dict()

    def load_state(self, state: Mapping[str, Any]) -> None:
        if state:
            self._scaler.load_state_dict(dict(state))

    def _forward(self, x: Tensor, arch: Arch, **how: Any) -> Tensor:
        with self._autocast:
            if self._compiled is not None and arch in self._compiled:
                return self._compiled(x, arch)
            return self.net(x, arch, **how)  # type: ignore[no-any-return]

    def _gradients(
        self, lessons: Sequence[Lesson], batches: Sequence[Batch], seed: int, how: Mapping[str, Any]
    ) -> Marks:
        """Leaves the gradient of the step in the parameters, the mean over all ranks."""
        torch.manual_seed(seed)
        groups = self._groups(lessons)
        found = []
        losses, label_losses = [0.0] * len(lessons), [0.0] * len(lessons)
        for group in groups:
            self.optimizer.zero_grad()
            forward = partial(self._forward, **how)
            marks = take_lessons(forward, lessons, batches, group, self._backward, self.pursuit)
            for at, i in enumerate(range(len(lessons)) if group is None else group):
                losses[i], label_losses[i] = marks.losses[at], marks.label_losses[at]
            self.world.average_gradients(self.parameters)
            found.append([p.grad for p in self.parameters])
        if len(found) == 2:
            for p, gradient in zip(self.parameters, combine(*found), strict=True):
                p.grad = gradient
        return Marks(self.world.mean(losses), self.world.mean(label_losses))

    def _groups(self, lessons: Sequence[Lesson]) -> list[Sequence[int] | None]:
        """The lessons whose gradients stay apart until they are joined; None is all of them."""
        lead, pupils = split(lessons) if self.settings.conflict == "project" else ([], [])
        return [lead, pupils] if lead and pupils else [None]

    def _backward(self, loss: Tensor) -> None:
        self._scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
