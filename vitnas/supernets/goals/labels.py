"""Any number of labels an image: binary cross-entropy or ASL, judged by the mean average precision."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.data.images import Images
from vitnas.supernets.goals.emphasis import PLAIN, Emphasis, along
from vitnas.supernets.goals.goal import Goal
from vitnas.supernets.goals.losses import alpha_divergence
from vitnas.supernets.goals.ranking import auroc, average_precision
from vitnas.supernets.goals.tally import NO_ANSWERS, EvaluationResult, Floats, Tally, spread

ABSENT_FOCUS, MARGIN = 4, 0.05
"""Of ASL, as published: the exponent of labels that are absent, and the probability below which they count nothing."""


class Labels(Goal):
    """Truths are uint8 (N, K), 1 for a label that an image has."""

    binary: ClassVar[bool] = True
    agrees_on: ClassVar[str] = "a label"

    def soft(self, truth: Tensor, num_classes: int) -> Tensor:
        return truth.to(torch.float32)

    def smoothed(self, target: Tensor, share: float) -> Tensor:
        return target * (1 - share) + share / 2

    def loss(self, logits: Tensor, target: Tensor, emphasis: Emphasis = PLAIN) -> Tensor:
        logits = emphasis.shifted(logits)
        present, absent = target * F.logsigmoid(logits), (1 - target) * F.logsigmoid(-logits)
        if emphasis.asymmetric:
            # Above the margin an absent label counts by its probability, and the less the surer it is.
            above = (logits.sigmoid() - MARGIN).clamp(min=0)
            absent = (1 - target) * above.detach() ** ABSENT_FOCUS * (1 - above).clamp(min=1e-8).log()
        if emphasis.weights is not None:
            present = present * along(emphasis.weights, logits)
        return -(present + absent).mean()

    def truth_loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, truth.to(logits))

    def says(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()

    def teach(self, logits: Tensor, said: Tensor, kind: str) -> Tensor:
        if kind != "alpha":
            return self.loss(logits, said)
        # A label that is there or not is a choice of two, whose logits are z and 0.
        two, probs = torch.stack([logits, torch.zeros_like(logits)], 1), torch.stack([said, 1 - said], 1)
        return alpha_divergence(two, probs)

    def tally(self) -> LabelTally:
        return LabelTally()

    def decided(self, logits: Tensor) -> Tensor:
        return (logits > 0).long().where(logits.isfinite(), -1)

    def frequencies(self, images: Images, num_classes: int) -> Tensor:
        return images.truths(images.rows).double().mean(dim=0)

    def empty_truth(self, num_images: int, num_classes: int, image: tuple[int, ...]) -> Tensor:
        return torch.zeros(num_images, num_classes, dtype=torch.uint8)


class LabelTally(Tally):
    """All logits, since the order of an answer among all others is what counts."""

    def __init__(self) -> None:
        self._logits: list[Tensor] = []
        self._truth: list[Tensor] = []

    def add(self, logits: Tensor, truth: Tensor) -> None:
        self._logits.append(logits.float())
        self._truth.append(truth)

    def result(self) -> EvaluationResult:
        logits, truth = (torch.cat(parts).cpu() for parts in (self._logits, self._truth))
        n = len(truth)
        loss = float(F.binary_cross_entropy_with_logits(logits.double(), truth.double()))
        scores, has = np.nan_to_num(logits.numpy(), nan=-np.inf), truth.numpy().astype(np.bool_)
        once = np.ones((1, n))
        ap = average_precision(scores, has, once)[0]
        value = float(np.nanmean(ap)) if np.isfinite(ap).any() else 0.0

        def mean_ap(times: Floats) -> Floats:
            found: Floats = np.nanmean(average_precision(scores, has, times)[:, np.isfinite(ap)], axis=1)
            return found

        std = spread(mean_ap, n) if np.isfinite(ap).any() else 0.0
        of_classes = {"ap": tuple(ap.tolist()), "auroc": tuple(auroc(scores, has).tolist())}
        return EvaluationResult(value, loss, n, NO_ANSWERS, "map", std, of_classes)
