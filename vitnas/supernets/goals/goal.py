"""Goal: what networks are asked. A new one is a file with a subclass, a row of `vitnas.search_spaces.answers` and a line there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from vitnas.supernets.augment.draws import Draws
from vitnas.supernets.data.images import Images
from vitnas.supernets.goals.emphasis import PLAIN, Emphasis
from vitnas.supernets.goals.losses import alpha_divergence, soft_cross_entropy
from vitnas.supernets.goals.tally import Tally
from vitnas.supernets.settings.augment import Augment

# Truths are what data say of images; targets are what logits (N, K, ...) aim at, of the same shape. Classes are on axis 1.


class Goal(ABC):
    """How networks learn to give one kind of answer, and how their answers are judged."""

    binary: ClassVar[bool] = False
    """Whether each class is a question of its own: sigmoids, not one softmax."""
    agrees_on: ClassVar[str]
    """What two networks can agree on, for people."""

    @abstractmethod
    def soft(self, truth: Tensor, num_classes: int) -> Tensor:
        """The target of each image, float32 (N, num_classes, ...)."""

    def smoothed(self, target: Tensor, share: float) -> Tensor:
        """The target with a share of it spread over all classes."""
        return target * (1 - share) + share / target.shape[1]

    def move(self, truth: Tensor, draws: Draws, settings: Augment) -> Tensor:
        """The truth of images that an augmentation with these draws changes."""
        return truth

    def loss(self, logits: Tensor, target: Tensor, emphasis: Emphasis = PLAIN) -> Tensor:
        """The mean distance of answers from targets; least where they are the same."""
        return soft_cross_entropy(emphasis.shifted(logits), emphasis.weighed(target))

    @abstractmethod
    def truth_loss(self, logits: Tensor, truth: Tensor) -> Tensor:
        """The mean loss from the truth alone, for looking at."""

    def says(self, logits: Tensor) -> Tensor:
        """What a network says as a teacher: a target."""
        return logits.softmax(dim=1)

    def teach(self, logits: Tensor, said: Tensor, kind: str) -> Tensor:
        """The mean distance of a pupil's answers from what its teachers say; `kind` is a loss of lessons."""
        return (alpha_divergence if kind == "alpha" else soft_cross_entropy)(logits, said)

    @abstractmethod
    def tally(self) -> Tally:
        """Counts how good the answers of one network are."""

    def score(self, logits: Tensor, truth: Tensor) -> float:
        """The metric of answers to some images at once."""
        tally = self.tally()
        tally.add(logits, truth)
        return tally.result().value

    def decided(self, logits: Tensor) -> Tensor:
        """What is answered: of each question, one of its choices; -1 where it is not finite."""
        return logits.argmax(dim=1).where(logits.isfinite().all(dim=1), -1)

    def agreement(self, expected: Tensor, found: Tensor) -> float:
        """The share of questions that both answer alike."""
        before = expected.argmax(dim=1) if not self.binary else (expected > 0).long()
        return float((before == self.decided(found)).double().mean())

    @abstractmethod
    def frequencies(self, images: Images, num_classes: int) -> Tensor:
        """(num_classes,), how much of the answers to training images each class is."""

    def empty_truth(self, num_images: int, num_classes: int, image: tuple[int, ...]) -> Tensor:
        """A truth of the shape that data give, for timing steps."""
        return torch.arange(num_images) % num_classes


def one_hot(truth: Tensor, num_classes: int) -> Tensor:
    return F.one_hot(truth, num_classes).to(torch.float32)
