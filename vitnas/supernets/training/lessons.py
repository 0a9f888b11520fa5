"""The lessons of one step: gradients of several archs on the same weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from vitnas.search_spaces import Arch
from vitnas.supernets.goals.pursuit import ONE_CLASS, Pursuit
from vitnas.supernets.training.samplers import Lesson

Forward = Callable[[Tensor, Arch], Tensor]
"""Images and an arch to logits, on the shared weights."""


@dataclass(frozen=True, eq=False)
class Batch:
    """What a step learns from, or one of its equal shares when gradients are accumulated.

    Attributes:
        x: images (N, C, H, W), augmented and normalised.
        y: the truths that the images had before any mixing, (N,) for classes.
        target: (N, classes, ...), what a lesson without teachers aims at: truths, smoothed and mixed, and what an
            outside teacher says.
        said: position of a lesson -> what it says, for those it teaches.
    """

    x: Tensor
    y: Tensor
    target: Tensor
    said: dict[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Marks:
    """How the lessons of a step went, one entry a lesson.

    Attributes:
        losses: what was minimised. That of an alpha-divergence is a surrogate; only its gradient means something.
        label_losses: loss from the truths alone, for looking at.
    """

    losses: list[float]
    label_losses: list[float]


def take_lessons(
    forward: Forward,
    lessons: Sequence[Lesson],
    batches: Sequence[Batch],
    chosen: Sequence[int] | None = None,
    backward: Callable[[Tensor], object] = Tensor.backward,
    pursuit: Pursuit = ONE_CLASS,
) -> Marks:
    """Adds the gradients of lessons to the shared weights.

    Args:
        forward: runs an arch.
        lessons: of the step, teachers first.
        batches: shares of one batch; every gradient is the mean over all of their images.
        chosen: positions of the lessons to take now, in order; None takes all. Teachers must come no later.
        backward: adds the gradients of a loss.
        pursuit: what lessons lower.
    """
    positions = range(len(lessons)) if chosen is None else chosen
    taught_by = {i for lesson in lessons for i in lesson.teachers}
    weights = [len(batch.y) / sum(len(b.y) for b in batches) for batch in batches]
    losses, label_losses = torch.zeros(2, len(positions), device=batches[0].x.device)
    for batch, weight in zip(batches, weights, strict=True):
        for at, i in enumerate(positions):
            lesson = lessons[i]
            rows = _rows(lesson)
            logits = forward(batch.x[rows], lesson.arch).float()
            loss = _loss(lesson, logits, batch, rows, pursuit)
            share = weight * len(logits) / len(batch.y)  # an arch that sees part of the batch is part of the step
            backward(loss * share)
            losses[at] += weight * loss.detach()
            label_losses[at] += weight * pursuit.goal.truth_loss(logits.detach(), batch.y[rows])
            if i in taught_by:
                batch.said[i] = pursuit.goal.says(logits.detach())
    return Marks(losses.tolist(), label_losses.tolist())


def _rows(lesson: Lesson) -> slice:
    first, every = lesson.part
    return slice(first, None, every)


def _loss(lesson: Lesson, logits: Tensor, batch: Batch, rows: slice, pursuit: Pursuit) -> Tensor:
    if not lesson.teachers:
        return pursuit.loss(logits, batch.target[rows])
    target = torch.stack([batch.said[t] for t in lesson.teachers]).mean(dim=0)
    return pursuit.goal.teach(logits, target, lesson.loss)
