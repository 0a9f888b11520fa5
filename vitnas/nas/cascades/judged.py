"""What archs of a run answer to the validation images, of which one half chooses thresholds and the other judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vitnas.errors import DataError
from vitnas.search_spaces import Arch
from vitnas.supernets.cascades.answers import answers_of
from vitnas.supernets.data import Dataset, Images
from vitnas.supernets.data.strata import drawn
from vitnas.supernets.evaluation import cut_out, one_thread
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.supernet import Supernet

LEAST_IMAGES = 20
"""Validation images, fewer of which say nothing of two halves."""


@dataclass(frozen=True, eq=False)
class ArchAnswers:
    """Logits of archs for the same images.

    Attributes:
        rows: arch -> its place in `logits`.
        logits: ``(archs, images, classes)``.
        right: ``(archs, images)``.
        labels: ``(images,)``.
        choosing: the images that thresholds, rules and archs are chosen by.
        judging: the others, which figures come from.
    """

    rows: Mapping[Arch, int]
    logits: Tensor
    right: NDArray[np.bool_]
    labels: Tensor
    choosing: NDArray[np.int64]
    judging: NDArray[np.int64]

    def right_of(self, archs: Sequence[Arch]) -> NDArray[np.bool_]:
        return self.right[[self.rows[arch] for arch in archs]]

    def logits_of(self, arch: Arch) -> Tensor:
        return self.logits[self.rows[arch]]


def answer(supernet: Supernet, archs: Sequence[Arch], dataset: Dataset, seed: int = 0) -> ArchAnswers:
    """Asks every arch once for every validation image, one thread, so that any machine of a kind gets the same bits."""
    archs = list(dict.fromkeys(archs))
    choosing, judging = halves(dataset.val, seed)
    with one_thread():
        networks = networks_of(supernet, archs, dataset.train)
        logits, labels = answers_of(networks, [supernet.space.lower(arch) for arch in archs], dataset.val)
    right = (logits.argmax(dim=-1) == labels).numpy()
    return ArchAnswers({arch: i for i, arch in enumerate(archs)}, logits, right, labels, choosing, judging)


def networks_of(supernet: Supernet, archs: Sequence[Arch], train: Images) -> list[nn.Sequential]:
    """The networks of archs as they are judged: cut out, batch norms measured anew."""
    return [cut_out(supernet, arch, train).eval() for arch in archs]


def halves(images: Images, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of two halves of images, every class by its share."""
    if len(images) < LEAST_IMAGES:
        raise DataError(
            f"one half of the validation images chooses thresholds and the other judges them, and {len(images)} are too few for "
            f"that; have {LEAST_IMAGES} or more, with a larger [data] val_share"
        )
    first = drawn(images.labels[images.rows], len(images) // 2, seed)
    return first, np.setdiff1d(np.arange(len(images)), first)


def accuracy_std(right: NDArray[np.bool_]) -> float:
    """The standard deviation of an accuracy for so many images."""
    return EvaluationResult(float(right.mean()), np.nan, len(right), right).accuracy_std


def sure(logits: Tensor, rule: nn.Module) -> NDArray[np.float64]:
    """The scores of a rule."""
    with torch.no_grad():
        found: NDArray[np.float64] = rule(logits).double().numpy()
    return found
