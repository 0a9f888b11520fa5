"""The lessons of one step: gradients of several archs on one batch, on the same weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.samplers import Lesson
from vitnas.supernets.supernet import Supernet


def take_lessons(net: Supernet, lessons: Sequence[Lesson], x: Tensor, y: Tensor, label_smoothing: float) -> list[float]:
    """Adds the gradients of all lessons on one batch to the shared weights; returns the loss of each.

    Args:
        net: takes the gradients.
        lessons: teachers first.
        x: images (N, C, H, W).
        y: classes (N,).
        label_smoothing: for lessons from labels; what a teacher says is soft already.
    """
    taught_by = {i for lesson in lessons for i in lesson.teachers}
    predictions: dict[int, Tensor] = {}
    losses = []
    for i, lesson in enumerate(lessons):
        logits = net(x, lesson.arch)
        if lesson.teachers:
            target = torch.stack([predictions[t] for t in lesson.teachers]).mean(dim=0)
            loss = F.cross_entropy(logits, target)
        else:
            loss = F.cross_entropy(logits, y, label_smoothing=label_smoothing)
        loss.backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
        if i in taught_by:
            predictions[i] = logits.detach().softmax(dim=1)
    return torch.stack(losses).tolist()
