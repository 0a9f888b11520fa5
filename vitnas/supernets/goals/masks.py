"""One class a pixel: cross-entropy over all pixels that are told, judged by the mean intersection over union."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.augment.draws import Draws
from vitnas.supernets.augment.moved import moved
from vitnas.supernets.data.images import Images
from vitnas.supernets.data.truths import IGNORED
from vitnas.supernets.goals.goal import Goal, one_hot
from vitnas.supernets.goals.tally import NO_ANSWERS, EvaluationResult, Floats, Tally, spread
from vitnas.supernets.settings.augment import Augment

LOOKED_AT = 1024
"""Masks that tell how frequent classes are."""


class Masks(Goal):
    """Truths are uint8 (N, H, W), the class of every pixel, or `IGNORED` where it counts nothing."""

    agrees_on: ClassVar[str] = "the class of a pixel"

    def soft(self, truth: Tensor, num_classes: int) -> Tensor:
        told = truth != IGNORED
        soft = one_hot(truth.long().where(told, 0), num_classes) * told[..., None]
        return soft.permute(0, 3, 1, 2)

    def smoothed(self, target: Tensor, share: float) -> Tensor:
        return target * (1 - share) + target.sum(dim=1, keepdim=True) * (share / target.shape[1])

    def move(self, truth: Tensor, draws: Draws, settings: Augment) -> Tensor:
        return moved(truth, draws, settings, IGNORED)

    def truth_loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        told = int((truth != IGNORED).sum())
        total = F.cross_entropy(logits, truth.long(), ignore_index=IGNORED, reduction="sum")
        return total / max(told, 1)

    def tally(self) -> MaskTally:
        return MaskTally()

    def frequencies(self, images: Images, num_classes: int) -> Tensor:
        few = images.sample(LOOKED_AT)
        counts = torch.zeros(num_classes, dtype=torch.float64)
        for start in range(0, len(few), 64):
            truth = few.truths(few.rows[start : start + 64])
            counts += torch.bincount(truth[truth != IGNORED].long(), minlength=num_classes)
        return counts / counts.sum().clamp(min=1)

    def empty_truth(self, num_images: int, num_classes: int, image: tuple[int, ...]) -> Tensor:
        return torch.zeros(num_images, *image[1:], dtype=torch.uint8)


class MaskTally(Tally):
    """Pixels of each class in truth, in answers and in both, image by image."""

    def __init__(self) -> None:
        self._counts: list[Tensor] = []
        self._loss: Tensor | None = None

    def add(self, logits: Tensor, truth: Tensor) -> None:
        told = truth != IGNORED
        best = logits.argmax(dim=1).where(logits.isfinite().all(dim=1), -1)
        if self._loss is None:
            self._loss = torch.zeros((), dtype=torch.float64)
        self._loss += (
            F.cross_entropy(logits.float(), truth.long(), ignore_index=IGNORED, reduction="sum").double().cpu()
        )
        n, classes = logits.shape[:2]

        def per_image(classes_of: Tensor, where: Tensor) -> Tensor:
            image = torch.arange(n, device=truth.device)[:, None, None].expand_as(truth)[where]
            return torch.bincount(image * classes + classes_of[where], minlength=n * classes).view(n, classes)

        real = truth.long()
        both = per_image(real, told & (best == real))
        self._counts.append(torch.stack([both, per_image(real, told), per_image(best, told & (best >= 0))], 1).cpu())

    def result(self) -> EvaluationResult:
        assert self._loss is not None
        counts = torch.cat(self._counts).double().numpy()
        n = len(counts)
        of_classes = _ious(counts, np.ones((1, n)))[0]

        def miou(times: Floats) -> Floats:
            found: Floats = np.nanmean(_ious(counts, times), axis=1)
            return found

        known = bool(np.isfinite(of_classes).any())
        value = float(np.nanmean(of_classes)) if known else 0.0
        told = max(float(counts[:, 1].sum()), 1.0)
        std = spread(miou, n) if known else 0.0
        figures = {"iou": tuple(of_classes.tolist())}
        return EvaluationResult(value, float(self._loss) / told, n, NO_ANSWERS, "miou", std, figures)


def _ious(counts: NDArray[np.float64], times: Floats) -> Floats:
    """``(draws, K)``: intersection over union of each class; not a number where neither truth nor answers have it."""
    both, real, said = np.moveaxis(np.tensordot(times, counts, axes=1), 1, 0)
    union = real + said - both
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = np.where(union > 0, both / union, np.nan)
    return found
