"""One class an image: cross-entropy, judged by how many images are named right."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.data.images import Images
from vitnas.supernets.goals.goal import Goal, one_hot
from vitnas.supernets.goals.tally import EvaluationResult, Tally
from vitnas.supernets.torch_device import exact


class Classes(Goal):
    """Truths are int64 (N,)."""

    agrees_on: ClassVar[str] = "the best class"

    def soft(self, truth: Tensor, num_classes: int) -> Tensor:
        return one_hot(truth, num_classes)

    def truth_loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        return F.cross_entropy(logits, truth)

    def tally(self) -> ClassTally:
        return ClassTally()

    def score(self, logits: Tensor, truth: Tensor) -> float:
        return float((self.decided(logits) == truth).double().mean())

    def frequencies(self, images: Images, num_classes: int) -> Tensor:
        counts = torch.bincount(torch.from_numpy(images.labels[images.rows]), minlength=num_classes)
        return counts.double() / len(images)


class ClassTally(Tally):
    """Images named right; what was counted stays on the device until the end, so that a GPU is never waited for."""

    def __init__(self) -> None:
        self._right: list[Tensor] = []
        self._losses: Tensor | None = None
        self._wrong = 0
        self._counted = 0

    def add(self, logits: Tensor, truth: Tensor) -> None:
        self._right.append(logits.argmax(dim=1) == truth)
        kind = exact(logits.device)
        if self._losses is None:
            self._losses = torch.zeros((), dtype=kind, device=logits.device)
        self._losses += F.cross_entropy(logits.to(kind), truth, reduction="sum")

    def at_most(self, num_images: int) -> float:
        for right in self._right[self._counted :]:
            self._wrong += len(right) - int(right.sum())
        self._counted = len(self._right)
        return (num_images - self._wrong) / num_images

    def result(self) -> EvaluationResult:
        assert self._losses is not None
        right = torch.cat(self._right).cpu().numpy()
        n = len(right)
        return EvaluationResult(int(right.sum()) / n, float(self._losses) / n, n, right)
